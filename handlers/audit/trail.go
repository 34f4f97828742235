package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"sluice/auth/peer"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/panics"
)

// The spaces of the trail. Administrators' actions, clients' actions and refusals have separate spaces, so that a flood
// in one pushes nothing out of another.
const (
	Space        = "$audit"
	ClientsSpace = "$audit/clients"
	RefusedSpace = "$audit/refused"
)

// Spaces are all spaces of the trail.
var Spaces = [...]string{Space, ClientsSpace, RefusedSpace}

// Channels returns all channels of the trail.
func Channels() channel.Set {
	var all []channel.Pattern
	for _, space := range Spaces {
		all = append(all, channel.Pattern{Space: space})
	}
	return channel.NewSet(all...)
}

// Entry is one event of the trail.
type Entry struct {
	Action    Action `json:"-"`
	Who       string `json:"who,omitempty"`    // a name, never a credential
	Kind      string `json:"kind,omitempty"`   // admin, root, account, key, jwt, user
	From      string `json:"from"`             // an address; in refusals its network, or "others"
	Door      string `json:"door"`             // the door of the request
	Target    string `json:"target,omitempty"` // the object of the action
	Detail    string `json:"detail,omitempty"` // further information
	Outcome   string `json:"outcome"`          // ok, or the code of the refusal
	Count     int    `json:"count"`            // requests that the entry stands for
	RequestID string `json:"request_id,omitempty"`
}

// Ok is the outcome of an action that was done.
const Ok = "ok"

// The kinds of administrators.
const (
	KindAdmin = "admin" // acts through /admin
	KindRoot  = "root"  // the root account of the databases
)

// Appender stores events, as the event log does.
type Appender interface {
	Append(ctx context.Context, r *eventlog.Request) (uint64, error)
}

// Bounds of the trail.
const (
	maxTallies   = 256             // kinds of refusals a minute; the rest is counted together
	maxQueue     = 1024            // entries that wait for the log
	maxText      = 256             // bytes of a name
	tallyEvery   = time.Minute     // between two entries of the same refusal
	storeTimeout = 2 * time.Second // how long an action's answer waits for the trail
	othersFrom   = "others"
)

// An actor who is not an administrator gets actorBurst entries at once and actorRate a second. Further actions are only
// counted, so that no actor pushes the actions of others out of the trail.
const (
	actorBurst = 60
	actorRate  = 1
	maxActors  = 10_000
)

// Trail writes the audit trail.
type Trail struct {
	log      *slog.Logger
	appender Appender
	queue    chan Entry
	dropped  atomic.Uint64
	quit     chan struct{}
	group    sync.WaitGroup

	mu      sync.Mutex
	tallies map[Entry]int // requests since the last entry
	actors  map[string]*rate.Limiter
}

// New begins a trail. Call Close before the event log is closed.
func New(appender Appender, log *slog.Logger) *Trail {
	t := &Trail{log: log, appender: appender, queue: make(chan Entry, maxQueue), quit: make(chan struct{}), tallies: map[Entry]int{}, actors: map[string]*rate.Limiter{}}
	t.group.Go(t.storeLoop)
	return t
}

// Close stores the entries that wait, and ends the trail.
func (t *Trail) Close() error {
	close(t.quit)
	t.group.Wait()
	return nil
}

// Dropped returns the number of entries that the event log did not store.
func (t *Trail) Dropped() uint64 { return t.dropped.Load() }

// Record records an action that was done. It returns once the entry is stored, or storing it has failed.
func (t *Trail) Record(e Entry) {
	e = e.bounded()
	e.Outcome, e.Count = Ok, 1
	if !t.ownEntry(&e) {
		t.tally(e)
		return
	}
	t.line(&e)
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	t.store(ctx, e)
}

// byAdministrator reports whether an administrator did the action of an entry.
func (e *Entry) byAdministrator() bool { return e.Kind == KindAdmin || e.Kind == KindRoot }

// space returns the space of an entry.
func (e *Entry) space() string {
	switch {
	case e.Outcome != Ok:
		return RefusedSpace
	case e.byAdministrator():
		return Space
	}
	return ClientsSpace
}

// ownEntry reports whether an action gets an entry of its own.
func (t *Trail) ownEntry(e *Entry) bool {
	if e.byAdministrator() {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	actor := e.Kind + " " + e.Who
	l := t.actors[actor]
	if l == nil {
		for old := range t.actors { // in no order
			if len(t.actors) < maxActors {
				break
			}
			delete(t.actors, old)
		}
		l = rate.NewLimiter(actorRate, actorBurst)
		t.actors[actor] = l
	}
	return l.Allow()
}

// Refused records that a credential or an action was refused. It never waits. The first refusal of an action with a
// code from a network gets an entry at once. Repetitions get one entry with their count each minute.
func (t *Trail) Refused(e Entry) {
	t.tally(e.bounded())
}

// tally counts an entry. The first of its kind is queued at once.
func (t *Trail) tally(e Entry) {
	e.From = peer.Network(e.From)
	e.Target, e.Detail, e.RequestID, e.Count = "", "", "", 0
	t.mu.Lock()
	n, ok := t.tallies[e]
	if !ok && len(t.tallies) >= maxTallies {
		e = Entry{Action: e.Action, From: othersFrom, Door: e.Door, Outcome: e.Outcome}
		n, ok = t.tallies[e]
	}
	if ok {
		n++
	}
	t.tallies[e] = n
	t.mu.Unlock()
	if !ok {
		e.Count = 1
		t.enqueue(e)
	}
}

// enqueue queues an entry to be stored soon. It drops the entry if the queue is full.
func (t *Trail) enqueue(e Entry) {
	t.line(&e)
	select {
	case t.queue <- e:
	default:
		t.dropped.Add(1)
	}
}

// storeLoop stores the queued entries, and the counts of refusals each minute, until Close.
func (t *Trail) storeLoop() {
	tick := time.NewTicker(tallyEvery)
	defer tick.Stop()
	for {
		select {
		case e := <-t.queue:
			t.storeQueued(context.Background(), e)
		case <-tick.C:
			t.count()
		case <-t.quit:
			t.count()
			ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
			defer cancel()
			for len(t.queue) > 0 {
				t.storeQueued(ctx, <-t.queue)
			}
			return
		}
	}
}

func (t *Trail) storeQueued(ctx context.Context, e Entry) {
	defer panics.Contain(t.log, "storing an entry of the audit trail")
	t.store(ctx, e)
}

// count queues one entry for each refusal that was repeated since the last call, and forgets the others.
func (t *Trail) count() {
	t.mu.Lock()
	var again []Entry
	for e, n := range t.tallies {
		if n == 0 {
			delete(t.tallies, e)
			continue
		}
		t.tallies[e] = 0
		e.Count = n
		again = append(again, e)
	}
	t.mu.Unlock()
	for _, e := range again {
		t.enqueue(e)
	}
}

// line writes an entry to the log of the process.
func (t *Trail) line(e *Entry) {
	level := slog.LevelInfo
	if e.Outcome != Ok {
		level = slog.LevelWarn
	}
	attrs := make([]slog.Attr, 0, 10)
	for _, a := range [...]slog.Attr{
		slog.String("action", string(e.Action)), slog.String("who", e.Who), slog.String("kind", e.Kind), slog.String("from", e.From), slog.String("door", e.Door),
		slog.String("target", e.Target), slog.String("detail", e.Detail), slog.String("outcome", e.Outcome), slog.String("request_id", e.RequestID),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	t.log.LogAttrs(context.Background(), level, "audit", append(attrs, slog.Int("count", e.Count))...)
}

// store appends an entry to the event log.
func (t *Trail) store(ctx context.Context, e Entry) {
	text, err := json.Marshal(e)
	if err == nil {
		_, err = t.appender.Append(ctx, &eventlog.Request{
			Events:      []eventlog.Event{{Space: e.space(), Name: string(e.Action), Data: text}},
			FromReserve: e.Outcome == Ok, // an action that was done must have its entry; refusals must not use the reserve, since anybody can cause them
		})
	}
	if err != nil {
		t.dropped.Add(1)
		t.log.Error("the audit trail could not be stored; the line before has the entry", "action", string(e.Action), "request_id", e.RequestID, "cause", err)
	}
}

// bounded cuts long texts, since clients may choose all of them.
func (e Entry) bounded() Entry {
	for _, text := range []*string{&e.Who, &e.Kind, &e.From, &e.Target, &e.Detail, &e.Outcome} {
		if len(*text) > maxText {
			cut := maxText
			for cut > 0 && !utf8.RuneStart((*text)[cut]) {
				cut--
			}
			*text = (*text)[:cut] + "…"
		}
	}
	return e
}
