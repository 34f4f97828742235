package peers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Network is what peers need of a bus.Bus.
type Network interface {
	Publish(subject string, body []byte) error
	Listen(subject string, f func(body []byte)) error
	Serve(subject string, f func(body []byte, answer func([]byte))) error
	Ask(ctx context.Context, subject string, body []byte, f func(answer []byte) bool) error
}

// Options of a node.
type Options struct {
	Network Network
	Node    string // its name: letters, digits, - and _
	Origin  uint64 // another at each start
	Logger  *slog.Logger
}

// State is what a node says of itself.
type State struct {
	Version     string `json:"version"`
	Level       int    `json:"level"`   // the newest one of the formats that it reads
	Writes      int    `json:"writes"`  // the level that it writes
	Address     string `json:"address"` // where it listens
	Place       uint64 `json:"place"`   // in the journal
	Chain       uint64 `json:"chain"`   // a hash of all outcomes up to there
	Behind      uint64 `json:"behind"`  // messages of the journal that it has not applied
	Newest      uint64 `json:"newest"`  // id in its log
	Connections int    `json:"connections"`
	Ready       bool   `json:"ready"` // it follows the journal and takes clients

	Older []string `json:"older,omitempty"` // gateways that do not read its newest level: it goes on writing an older one
}

// Peer is a node of the cluster, as this node knows it.
type Peer struct {
	Node   string
	Origin uint64
	State
	Started  time.Time     // by its own clock
	Self     bool          // it is this node
	Seen     time.Duration // since its last beat
	Away     bool          // it was silent for too long
	ClockOff time.Duration // its clock minus ours
	Twice    bool          // two nodes have its name
}

// Bounds and times.
const (
	beatEvery   = time.Second
	awayAfter   = 3 * time.Second
	forgetAfter = 10 * time.Minute
	askTime     = time.Second      // a question takes no longer
	clockMost   = 30 * time.Second // a larger difference of clocks is warned of
	sayAgain    = time.Hour        // a warning comes no more often
	maxNodes    = 64
)

// Peers is a node among its peers.
type Peers struct {
	o       Options
	started time.Time
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup // the beater, and the answers under way

	mu     sync.Mutex
	state  func() State     // nil before Start
	own    beat             // the last one
	twice  time.Time        // when another node with our name was last heard
	known  map[string]*node // the others, by name
	served map[string]*service
	said   map[string]time.Time // when a warning was last logged; its keys are names of known nodes and our own words
	closed bool
}

// Open takes a name, and hears the others. It fails if a node with the same name is there. The others hear nothing before
// Start.
func Open(ctx context.Context, o Options) (*Peers, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Peers{o: o, started: time.Now(), known: map[string]*node{}, served: map[string]*service{}, said: map[string]time.Time{}}
	p.own = beat{Node: o.Node, Origin: o.Origin, Started: p.started}
	if err := p.takeName(ctx); err != nil {
		return nil, err
	}
	if err := o.Network.Listen(beatSubject, p.heard); err != nil {
		return nil, fmt.Errorf("listening to the beats of the cluster: %w", err)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// Start begins to send beats, with what state returns. It must not wait for long.
func (p *Peers) Start(state func() State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.state != nil {
		return
	}
	p.state = state
	p.work.Add(1)
	go p.run() // until Close
}

// takeName finds out whether a node has our name, and answers others that ask so. Two nodes that ask at the same moment
// find out by their beats.
func (p *Peers) takeName(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	subject, own := "peers.name."+p.o.Node, strconv.FormatUint(p.o.Origin, 10)
	taken := false
	// Without a connection, nobody can answer. The beats tell later.
	_ = p.o.Network.Ask(ctx, subject, []byte(own), func([]byte) bool {
		taken = true
		return false
	})
	if taken {
		return p.nameError()
	}
	return p.o.Network.Serve(subject, func(_ []byte, answer func([]byte)) {
		if !p.ended() {
			answer([]byte(own))
		}
	})
}

func (p *Peers) nameError() error {
	return fmt.Errorf("another gateway in the cluster has the name %q: set CLUSTER_NODE to a name that no other gateway has", p.o.Node)
}

func (p *Peers) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Close says goodbye, and waits for what is under way. The network stays open.
func (p *Peers) Close() {
	p.mu.Lock()
	goodbye := !p.closed && p.state != nil
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.work.Wait()
	if goodbye {
		p.send(true)
	}
}

// Err is the error of a node whose name another node has too; nil where all is well.
func (p *Peers) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if recent(p.twice, time.Now()) {
		return p.nameError()
	}
	return nil
}

// List returns the known nodes by name, this one among them.
func (p *Peers) List() []Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.forget(now)
	list := []Peer{{Node: p.o.Node, Origin: p.o.Origin, State: p.own.State, Started: p.started, Self: true, Twice: recent(p.twice, now)}}
	for _, n := range p.known {
		list = append(list, Peer{
			Node: n.Node, Origin: n.Origin, State: n.State, Started: n.Started,
			Seen: now.Sub(n.seen), Away: n.away(now), ClockOff: n.off, Twice: recent(n.twice, now),
		})
	}
	slices.SortFunc(list, func(a, b Peer) int { return cmp.Compare(a.Node, b.Node) })
	return list
}

// Counts returns how many nodes are known, with this one, and how many of them are away.
func (p *Peers) Counts() (nodes, away int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.forget(now)
	for _, n := range p.known {
		if n.away(now) {
			away++
		}
	}
	return len(p.known) + 1, away
}

// Majority reports whether most of the known nodes are there, with this one. It is a hint: a node that has just started, or
// that was alone for 10 minutes, knows no other.
func (p *Peers) Majority() bool {
	nodes, away := p.Counts()
	return 2*(nodes-away) > nodes
}

// contain is deferred by what runs in the background: it logs a panic, so that the process goes on.
func (p *Peers) contain(step string) {
	if cause := recover(); cause != nil {
		p.o.Logger.Error("background work panicked", "step", step, "cause", cause, "stack", string(debug.Stack()))
	}
}

// sayOnce reports whether it is time to log a warning again. p.mu is locked.
func (p *Peers) sayOnce(what string, now time.Time) bool {
	if last, ok := p.said[what]; ok && now.Sub(last) < sayAgain {
		return false
	}
	p.said[what] = now
	return true
}

// recent reports whether something that beats tell holds now.
func recent(at, now time.Time) bool { return !at.IsZero() && now.Sub(at) < awayAfter }

// encode makes JSON of what always can be.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types are ours, and have nothing that JSON cannot say
	}
	return text
}
