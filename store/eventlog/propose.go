package eventlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sluice/store/pause"
)

// Bounds of proposals.
const (
	proposalBytes = 512 << 10        // of a message, unless a single request is larger
	proposeTry    = 2 * time.Second  // how long one try may take
	proposeMost   = 60 * time.Second // how long a message is tried; the journal recognizes a repeat for longer than that
	tickEvery     = 10 * time.Second // when the log's time stands still for that long, an empty message is proposed
	tickSpread    = 2 * time.Second  // at most so much later: the first process to do so spares the others theirs
)

// proposals are the messages of this process. One is under way at a time.
type proposals struct {
	mu      sync.Mutex
	number  uint64     // of the last message
	waiting []*pending // who waits for it; nil if it was applied, or nobody waits any more
	done    func()     // ends its context
	claim   Claim
	at      uint64    // the log's time
	quiet   time.Time // since when it stands still
}

// propose proposes what waits in the queue, until Close. With one message under way at a time, requests of this process keep
// their order, and what gathers meanwhile is the next message.
func (l *Log) propose(j Shared) {
	defer l.refuseAll()
	tick := time.NewTimer(0)
	defer tick.Stop()
	for l.life.Err() == nil && !l.dead() {
		if batch := l.waiting(); len(batch) > 0 {
			l.offer(j, batch)
			continue
		}
		// The log's time must go on in an idle log too: what is old is removed by it.
		left := l.proposals.untilTick(time.Now())
		if left <= 0 {
			l.offer(j, []*pending{l.pending(&Request{})})
			continue
		}
		tick.Reset(left + rand.N(tickSpread))
		select {
		case <-l.work:
		case <-tick.C:
		case <-l.quit:
		case <-l.failed:
		}
	}
}

// waiting takes the requests of the next message from the queue. It refuses those that the engine cannot take now.
func (l *Log) waiting() []*pending {
	for {
		l.mu.Lock()
		batch := l.queue.take(nil, proposalBytes)
		l.mu.Unlock()
		some := len(batch) > 0
		batch = slices.DeleteFunc(batch, func(p *pending) bool {
			if p.err = l.admit(p.request); p.err != nil {
				l.answer(p)
			}
			return p.err != nil
		})
		if len(batch) > 0 || !some {
			return batch
		}
	}
}

// refuseAll answers all who still wait in the queue of a log that proposes nothing any more.
func (l *Log) refuseAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse(fmt.Errorf("%w: %w", ErrUnavailable, ErrClosed))
}

// offer proposes one message until it is applied. If that takes too long, its outcome is unknown.
func (l *Log) offer(j Shared, batch []*pending) {
	ctx, done := context.WithCancel(l.life)
	defer done()
	err := l.try(ctx, j, l.proposals.begin(batch, done))
	if errors.Is(err, ErrTooLarge) && len(batch) > 1 {
		for _, p := range batch { // only some of them may be too large
			l.offer(j, []*pending{p})
		}
		return
	}
	for _, p := range l.proposals.end(l.proposals.number) { // nobody, if the message was applied
		p.err = err
		l.answer(p)
	}
}

// try proposes a message until ctx ends. The error is for those who wait then.
func (l *Log) try(ctx context.Context, j Shared, p *Proposal) error {
	begun := time.Now()
	for tries := 0; l.proposals.renew(p, tries) && ctx.Err() == nil && !l.dead(); tries++ {
		once, cancel := context.WithTimeout(ctx, proposeTry)
		err := j.Propose(once, p)
		if errors.Is(err, ErrTooLarge) {
			cancel()
			return err
		}
		if err == nil {
			// It has its place. It will come out of Next, however long that takes.
			cancel()
			once, cancel = context.WithTimeout(ctx, proposeMost)
		}
		select {
		case <-once.Done():
		case <-l.failed:
		}
		cancel()
		if time.Since(begun) < proposeMost {
			continue
		}
		if !pause.Since(begun) {
			return fmt.Errorf("%w: %w: %w", ErrUnknown, ErrUnavailable, errors.Join(ErrSilent, err))
		}
		begun = time.Now() // the process was suspended, so the journal has not had its time
	}
	return fmt.Errorf("%w: %w: %w", ErrUnknown, ErrUnavailable, ErrClosed)
}

// begin notes the next message.
func (s *proposals) begin(batch []*pending, done func()) *Proposal {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	s.waiting, s.done = batch, done
	p := &Proposal{Number: s.number}
	for _, w := range batch {
		p.Requests = append(p.Requests, w.request)
	}
	return p
}

// renew readies a proposal for the next try. It returns false if nobody waits for it any more. An earlier try may be in the
// journal, and what it came to is written into the requests as soon as it is applied. So the next try has copies.
func (s *proposals) renew(p *Proposal, tries int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		return false
	}
	p.Claim = s.claim
	if tries == 1 {
		for i, r := range p.Requests {
			copied := *r
			copied.Events = slices.Clone(r.Events)
			p.Requests[i] = &copied
		}
	}
	return true
}

// end returns who waits for a message, and that nobody does from now on.
func (s *proposals) end(number uint64) []*pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number != s.number || s.waiting == nil {
		return nil
	}
	waiting := s.waiting
	s.waiting, s.quiet = nil, time.Now()
	s.done()
	return waiting
}

// heard notes how far the log has come. Messages of a process whose clock is behind do not move the log's time: then another
// one has to propose an empty message, too.
func (s *proposals) heard(a Applied) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim = Claim{a.Place, a.Chain}
	if a.At > s.at {
		s.at, s.quiet = a.At, time.Now()
	}
}

// rest puts off the next empty message.
func (s *proposals) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = time.Now()
}

// untilTick is the time until an empty message is due.
func (s *proposals) untilTick(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tickEvery - now.Sub(s.quiet)
}
