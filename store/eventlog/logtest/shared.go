package logtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sluice/store/eventlog"
)

// Shared is a shared journal in the memory of one process. A test can make trouble in it.
type Shared struct {
	mu         sync.Mutex
	now        func() time.Time
	most       int // bytes of a message
	leaderless bool
	trouble    []Trouble // of the next proposals
	messages   []message // the place of the first one is 1
	stored     map[[2]uint64]bool
	origins    uint64
	changed    chan struct{} // closed and replaced when a node may go on
}

// message is a proposal with its place.
type message struct {
	origin, number uint64
	at             uint64
	claim          eventlog.Claim
	requests       []*eventlog.Request // never given to a node: each gets a copy
}

// Trouble is what happens to one proposal.
type Trouble int

// What can happen.
const (
	Nothing      Trouble = iota
	LoseProposal         // it is not stored, and its sender learns nothing
	LoseAnswer           // it is stored, and its sender learns nothing
	Repeat               // it is stored twice, as if the journal had not recognized the second try
)

// Errors of the journal.
var (
	errNoLeader = errors.New("the journal of the test has no leader")
	errLost     = errors.New("the test has lost a message")
	errEnded    = errors.New("the journal of the test is closed")
)

// NewShared makes an empty journal. Its messages have the present time.
func NewShared() *Shared {
	return &Shared{now: time.Now, most: 1 << 20, stored: map[[2]uint64]bool{}, changed: make(chan struct{})}
}

// SetNow sets the clock that gives messages their times. It may go back.
func (s *Shared) SetNow(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
}

// SetMost sets the most bytes of a message.
func (s *Shared) SetMost(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = bytes
}

// Lead sets whether there is a leader. Without one, nothing can be proposed and nobody knows the end.
func (s *Shared) Lead(there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaderless = !there
}

// Plan plans trouble for the next proposals, in order.
func (s *Shared) Plan(trouble ...Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, trouble...)
}

// Len is the number of messages.
func (s *Shared) Len() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.messages))
}

// Add adds a message of any origin, and returns its place. A nil request is a void entry.
func (s *Shared) Add(origin, number uint64, requests ...*eventlog.Request) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(origin, &eventlog.Proposal{Number: number, Requests: requests})
	return uint64(len(s.messages))
}

// Again adds a copy of an earlier message.
func (s *Shared) Again(place uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[place-1]
	m.at = uint64(s.now().UnixMicro())
	s.messages = append(s.messages, m)
	s.wake()
}

// store adds a message. The caller holds the lock.
func (s *Shared) store(origin uint64, p *eventlog.Proposal) {
	m := message{origin: origin, number: p.Number, at: uint64(s.now().UnixMicro()), claim: p.Claim}
	for _, r := range p.Requests {
		m.requests = append(m.requests, decoded(r))
	}
	s.messages = append(s.messages, m)
	s.stored[[2]uint64{origin, p.Number}] = true
	s.wake()
}

// wake lets nodes look again. The caller holds the lock.
func (s *Shared) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// decoded copies a request as encoding and decoding it would.
func decoded(r *eventlog.Request) *eventlog.Request {
	if r == nil {
		return nil
	}
	copied := clones([]eventlog.Entry{{Request: r}})[0].Request
	copied.Stored = nil
	for i := range copied.Events {
		e := &copied.Events[i]
		if e.ID, e.Drops = 0, nil; e.Op != eventlog.Compact {
			e.Seq = 0
		}
	}
	if copied.Once != nil {
		copied.Once.Replayed = false
	}
	return copied
}

// Node is a process that begins with an empty engine.
func (s *Shared) Node() *SharedNode { return s.NodeAfter(0) }

// NodeAfter is a process whose engine has applied the journal up to a place. It has an origin of its own.
func (s *Shared) NodeAfter(place uint64) *SharedNode {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.origins++
	return &SharedNode{of: s, origin: s.origins, next: place, quit: make(chan struct{})}
}

var _ eventlog.Shared = (*SharedNode)(nil)

// SharedNode is the journal as one process sees it.
type SharedNode struct {
	of     *Shared
	origin uint64
	quit   chan struct{}
	once   sync.Once

	// The lock of the journal guards what follows.
	next      uint64 // the place before the next message
	held      bool
	most      int // messages that one Next returns; 0: all there are
	ends      int
	agreed    int
	disagreed []uint64
}

// Hold keeps new messages back from the node.
func (n *SharedNode) Hold() {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	n.held = true
}

// Release ends Hold.
func (n *SharedNode) Release() {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	n.held = false
	n.of.wake()
}

// SetMost sets how many messages one Next returns.
func (n *SharedNode) SetMost(messages int) {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	n.most = messages
}

// Ends is the number of calls of End.
func (n *SharedNode) Ends() int {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	return n.ends
}

// Claims returns how many claims of others agreed, and the origins of those that did not.
func (n *SharedNode) Claims() (agreed int, disagreed []uint64) {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	return n.agreed, slices.Clone(n.disagreed)
}

// Origin is the node's own.
func (n *SharedNode) Origin() uint64 { return n.origin }

// Next returns the entries of the next messages.
func (n *SharedNode) Next() []eventlog.Entry {
	for {
		entries, changed := n.take()
		if len(entries) > 0 {
			return entries
		}
		select {
		case <-changed:
		case <-n.quit:
			return nil
		}
	}
}

func (n *SharedNode) take() (entries []eventlog.Entry, changed <-chan struct{}) {
	s := n.of
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.messages[n.next:]
	if n.held {
		left = nil
	}
	if n.most > 0 && len(left) > n.most {
		left = left[:n.most]
	}
	for _, m := range left {
		n.next++
		for _, r := range m.requests {
			entries = append(entries, eventlog.Entry{
				Request: decoded(r), At: m.at, Wall: int64(m.at), Place: n.next, Origin: m.origin, Number: m.number, Claim: m.claim,
			})
		}
	}
	return entries, s.changed
}

// Propose stores a message, unless there is trouble.
func (n *SharedNode) Propose(ctx context.Context, p *eventlog.Proposal) error {
	lost, err := n.propose(p)
	if !lost {
		return err
	}
	<-ctx.Done()
	return fmt.Errorf("%w: %w", errLost, ctx.Err())
}

func (n *SharedNode) propose(p *eventlog.Proposal) (lost bool, err error) {
	s := n.of
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, r := range p.Requests {
		size += r.Size()
	}
	if size > s.most {
		return false, fmt.Errorf("%w: %d bytes", eventlog.ErrTooLarge, size)
	}
	select {
	case <-n.quit:
		return false, errEnded
	default:
	}
	if s.leaderless {
		return false, errNoLeader
	}
	trouble := Nothing
	if len(s.trouble) > 0 {
		trouble, s.trouble = s.trouble[0], s.trouble[1:]
	}
	if trouble == LoseProposal {
		return true, nil
	}
	if trouble == Repeat || !s.stored[[2]uint64{n.origin, p.Number}] {
		s.store(n.origin, p)
	}
	if trouble == Repeat {
		s.store(n.origin, p)
	}
	return trouble == LoseAnswer, nil
}

// End is the place of the last message.
func (n *SharedNode) End(ctx context.Context) (uint64, error) {
	s := n.of
	s.mu.Lock()
	defer s.mu.Unlock()
	n.ends++
	if s.leaderless {
		return 0, errNoLeader
	}
	return uint64(len(s.messages)), ctx.Err()
}

// Compared notes what a comparison came to.
func (n *SharedNode) Compared(origin uint64, agrees bool) {
	n.of.mu.Lock()
	defer n.of.mu.Unlock()
	if agrees {
		n.agreed++
	} else {
		n.disagreed = append(n.disagreed, origin)
	}
}

// Health finds nothing.
func (n *SharedNode) Health() error { return nil }

// Close ends Next.
func (n *SharedNode) Close() error {
	n.once.Do(func() { close(n.quit) })
	return nil
}
