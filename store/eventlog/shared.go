package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sluice/store/pause"
)

// Shared is a journal that several logs apply, each in a process of its own. A log proposes what its publishers append, one
// message at a time, and answers them when the message comes out of Next.
type Shared interface {
	Journal
	// Origin identifies this process's messages. It is new at each start, and never 0.
	Origin() uint64
	// Propose tries to add a message. If it is called again with the same number, the journal still has the message once.
	// After an error the message may be in the journal, unless it is ErrTooLarge.
	Propose(ctx context.Context, p *Proposal) error
	// End returns the place of the newest message as of the call.
	End(ctx context.Context) (uint64, error)
	// Compared reports whether the claim of another process agrees with this one's state. It must be short.
	Compared(origin uint64, agrees bool)
	// Health is the reason that this process cannot follow the journal now, or nil.
	Health() error
	// Close ends Next.
	Close() error
}

// Proposal is a message before it has its place: the requests of one process that waited together. An edit is alone in its
// message.
type Proposal struct {
	Number   uint64 // from 1, by 1
	Requests []*Request
	Claim    Claim
}

// Claim is what a process says of its state, for others to compare: all that have applied the journal up to a place have the
// same Chain there.
type Claim struct{ Place, Chain uint64 }

// Errors of a shared journal.
var (
	ErrTooLarge = errors.New("the request is too large for the journal")
	ErrBehind   = errors.New("this gateway is behind the other gateways")
)

// Bounds of proposals.
const (
	proposalBytes = 512 << 10        // of a message, unless a single request is larger
	proposeTry    = 2 * time.Second  // how long one try may take, and how long a message may be on its way
	proposeMost   = 60 * time.Second // how long it is tried; the journal recognizes a repeat for longer than that
	tickEvery     = 10 * time.Second // the longest time without a message
)

// proposals are the messages of this process that are under way.
type proposals struct {
	mu      sync.Mutex
	number  uint64     // of the last message
	waiting []*pending // who waits for it; nil if it was applied, or nobody waits any more
	applied chan struct{}
	claim   Claim
}

// propose proposes what waits in the queue, until Close. With one message under way at a time, requests of this process keep
// their order, and what gathers meanwhile is the next message.
func (l *Log) propose(j Shared) {
	tick := time.NewTimer(tickEvery)
	defer tick.Stop()
	for {
		l.mu.Lock()
		batch := l.queue.take(nil, proposalBytes)
		l.mu.Unlock()
		if len(batch) > 0 {
			l.offer(j, batch)
			continue
		}
		before := l.place.Load()
		tick.Reset(tickEvery)
		select {
		case <-l.work:
		case <-tick.C:
			// The log's time must go on in an idle log too: what is old is removed by it.
			if l.place.Load() == before {
				l.offer(j, []*pending{{request: &Request{}, done: make(chan struct{})}})
			}
		case <-l.quit:
			l.mu.Lock()
			l.refuse(fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed))
			l.mu.Unlock()
			return
		}
	}
}

// offer proposes one message until it is applied. If that takes too long, its outcome is unknown.
func (l *Log) offer(j Shared, batch []*pending) {
	applied := l.proposals.begin(batch)
	p := &Proposal{Number: l.proposals.number}
	for _, w := range batch {
		p.Requests = append(p.Requests, w.request)
	}
	var cause error
	for begun := time.Now(); time.Since(begun) < proposeMost || pause.Since(begun); {
		p.Claim = l.proposals.claimed()
		ctx, cancel := context.WithTimeout(l.life, proposeTry)
		err := j.Propose(ctx, p)
		if errors.Is(err, ErrTooLarge) {
			cancel()
			l.fail(err)
			return
		}
		if cause = err; err == nil {
			// It has its place. It will come out of Next, however long that takes.
			cancel()
			ctx, cancel = context.WithTimeout(l.life, proposeMost)
		}
		select {
		case <-applied:
			cancel()
			return
		case <-ctx.Done():
		}
		cancel()
		select {
		case <-applied:
			return
		case <-l.quit:
			l.fail(fmt.Errorf("%w: %w", ErrUnknown, ErrClosed))
			return
		default:
		}
	}
	l.fail(fmt.Errorf("%w: %w: %w", ErrUnknown, ErrUnavailable, errors.Join(ErrNoAnswer, cause)))
}

// begin notes the next message.
func (s *proposals) begin(batch []*pending) (applied <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	s.waiting, s.applied = batch, make(chan struct{})
	return s.applied
}

func (s *proposals) setClaim(c Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim = c
}

func (s *proposals) claimed() Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim
}

// end returns who waits for a message, and that nobody does from now on.
func (s *proposals) end(number uint64) []*pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number != s.number || s.waiting == nil {
		return nil
	}
	waiting := s.waiting
	s.waiting = nil
	close(s.applied)
	return waiting
}

// fail answers all who wait for the message under way.
func (l *Log) fail(err error) {
	for _, p := range l.proposals.end(l.proposals.number) {
		p.err = err
		l.answer(p)
	}
}

// messages answers those whose messages were applied, and compares the claims of others.
func (c *committer) messages(entries []Entry) {
	l := c.log
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].Place == entries[0].Place {
			n++
		}
		message := entries[:n]
		entries = entries[n:]
		e, last := &message[0], &message[n-1]
		if e.Origin == 0 || e.repeat {
			continue
		}
		if e.Origin == l.shared.Origin() {
			l.proposed(message)
		} else if agrees, known := c.chains.agrees(e.Claim); known {
			l.shared.Compared(e.Origin, agrees)
		}
		c.chains.add(Claim{last.Place, last.chain})
	}
	l.proposals.setClaim(Claim{c.applied.Place, c.applied.Chain})
	l.clock.follow(c.applied.At)
}

// proposed answers those whose message was applied.
func (l *Log) proposed(entries []Entry) {
	for i, p := range l.proposals.end(entries[0].Number) {
		e := &entries[i]
		p.request.learn(e.Request)
		p.first, p.err = e.first, e.err
		l.answer(p)
	}
}

// learn copies what applying has found out. It was found in a copy of the request, decoded from the journal.
func (r *Request) learn(applied *Request) {
	for i := range applied.Events {
		from, to := &applied.Events[i], &r.Events[i]
		to.ID, to.Seq, to.Drops = from.ID, from.Seq, from.Drops
	}
	r.Sizes = applied.Sizes
	if r.Once != nil {
		r.Once.Replayed = applied.Once.Replayed
	}
}

// Start begins to apply a shared journal, and returns when this log has applied all that was in it. Follow, Derive, Tail and
// OnEdit are called before. A log with a journal of its own has started in Open.
func (l *Log) Start(ctx context.Context) error {
	if l.shared == nil {
		return nil
	}
	l.start(l.shared)
	l.working.Go(func() { l.propose(l.shared) })
	for {
		end, err := l.shared.End(ctx)
		if err == nil {
			return l.waitUntil(ctx, func() bool { return l.place.Load() >= end })
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("looking for the journal's end: %w", err)
		case <-time.After(l.options.TryAgain):
		}
	}
}
