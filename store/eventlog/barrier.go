package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A log of several may be behind the others for a moment. Before it says that something is not there, it asks for the
// journal's end and waits until it has applied that: a barrier. All who ask meanwhile share the next barrier, so there are
// at most two.

// barrierLimit bounds a barrier. Without a leader, the journal has no answer for some seconds.
const barrierLimit = 2 * time.Second

// barrierRest is how long barriers fail at once after one has failed. Else each question about something unknown would wait
// for barrierLimit while the journal has no leader.
const barrierRest = 500 * time.Millisecond

// barriers are the barrier under way, and the one that begins after it.
type barriers struct {
	mu     sync.Mutex
	busy   bool
	next   *barrier  // nil: nobody waits for it
	failed *barrier  // the last one, if it has failed
	until  time.Time // when it may be tried again
}

// barrier ends when done is closed.
type barrier struct {
	done chan struct{}
	err  error
}

// Barrier returns when this log has applied all that was in the journal at the call. The error is ErrBehind if that takes
// too long. With a journal of its own, a log is never behind.
func (l *Log) Barrier(ctx context.Context) error {
	if l.shared == nil {
		return nil
	}
	b := l.barriers.join(l.runBarriers)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrBehind, ctx.Err())
	}
}

// join returns the next barrier. One that is under way may have asked before the caller's question.
func (s *barriers) join(run func()) *barrier {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil && time.Now().Before(s.until) {
		return s.failed
	}
	if s.next == nil {
		s.next = &barrier{done: make(chan struct{})}
	}
	if !s.busy {
		s.busy = true
		go run() // ends when nobody waits
	}
	return s.next
}

// take begins the next barrier. It returns nil if nobody waits for one.
func (s *barriers) take() *barrier {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.next
	s.next, s.busy = nil, b != nil
	return b
}

// end ends a barrier. If it has failed, those that follow soon fail at once.
func (s *barriers) end(b *barrier) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = nil
	if b.err != nil {
		s.failed, s.until = b, time.Now().Add(barrierRest)
	}
	close(b.done)
}

func (l *Log) runBarriers() {
	for b := l.barriers.take(); b != nil; b = l.barriers.take() {
		if err := l.catchUp(); err != nil {
			b.err = fmt.Errorf("%w: %w: %w", ErrUnavailable, ErrBehind, err)
		}
		l.barriers.end(b)
	}
}

func (l *Log) catchUp() error {
	ctx, cancel := context.WithTimeout(l.life, barrierLimit)
	defer cancel()
	end, err := l.shared.End(ctx)
	if err != nil {
		return err
	}
	return l.waitUntil(ctx, func() bool { return l.place.Load() >= end })
}

// aheadMost bounds how far in the future an id may be that another gateway has given.
const aheadMost = time.Minute

// Await waits for an id that this log may not have yet, because a client has it from another gateway.
func (l *Log) Await(ctx context.Context, id uint64) error {
	if l.shared == nil || id <= l.Settled() || id > l.clock.Now()+uint64(aheadMost.Microseconds()) {
		return nil
	}
	return l.Barrier(ctx)
}
