package share

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrQueueFull is the error of Acquire where an owner has too many requests waiting already.
var ErrQueueFull = errors.New("too many requests of this credential wait already")

// Slots lets a fixed number of tasks run at once. Free slots go round robin to the owners that wait, and an owner that
// has a slot gets another only while no other owner waits.
type Slots struct {
	mostWaiting int // requests of one owner

	mu      sync.Mutex
	free    int
	running map[string]int // slots in use, by owner
	waiting map[string][]*waiter
	turns   []string // the owners that wait, next first
}

type waiter struct{ ready chan struct{} }

// NewSlots makes n slots. At most mostWaiting requests of one owner wait; further ones are refused.
func NewSlots(n, mostWaiting int) *Slots {
	return &Slots{mostWaiting: mostWaiting, free: n, running: map[string]int{}, waiting: map[string][]*waiter{}}
}

// Acquire waits for a slot for the owner of ctx, or until ctx ends. The caller calls release once.
func (s *Slots) Acquire(ctx context.Context) (release func(), err error) {
	owner := Owner(ctx)
	s.mu.Lock()
	if s.free > 0 && len(s.turns) == 0 {
		s.take(owner)
		s.mu.Unlock()
		return func() { s.release(owner) }, nil
	}
	if len(s.waiting[owner]) >= s.mostWaiting {
		s.mu.Unlock()
		return nil, ErrQueueFull
	}
	w := &waiter{ready: make(chan struct{})}
	if len(s.waiting[owner]) == 0 {
		s.turns = append(s.turns, owner)
	}
	s.waiting[owner] = append(s.waiting[owner], w)
	s.mu.Unlock()
	select {
	case <-w.ready:
		return func() { s.release(owner) }, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	select {
	case <-w.ready: // at the same moment: the slot is ours to give back
		s.mu.Unlock()
		s.release(owner)
	default:
		s.forget(owner, w)
		s.mu.Unlock()
	}
	return nil, ctx.Err()
}

// Waited reports whether another owner than that of ctx waits for a slot: a long task then does well to give its slot
// back early.
func (s *Slots) Waited(ctx context.Context) bool {
	owner := Owner(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.turns) > 1 || len(s.turns) == 1 && s.turns[0] != owner
}

func (s *Slots) take(owner string) {
	s.free--
	s.running[owner]++
}

func (s *Slots) release(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.running[owner]--; s.running[owner] == 0 {
		delete(s.running, owner)
	}
	for s.free > 0 && len(s.turns) > 0 {
		next := s.next()
		w := s.waiting[next][0]
		s.forget(next, w)
		s.take(next)
		close(w.ready)
	}
}

// next is the first owner in turn that has no slot, else the first in turn. It moves behind the others.
func (s *Slots) next() string {
	at := max(0, slices.IndexFunc(s.turns, func(owner string) bool { return s.running[owner] == 0 }))
	owner := s.turns[at]
	s.turns = append(slices.Delete(s.turns, at, at+1), owner)
	return owner
}

// forget takes a waiter out of its owner's queue, and an owner that has none out of the turns.
func (s *Slots) forget(owner string, w *waiter) {
	queue := slices.DeleteFunc(s.waiting[owner], func(o *waiter) bool { return o == w })
	if len(queue) > 0 {
		s.waiting[owner] = queue
		return
	}
	delete(s.waiting, owner)
	s.turns = slices.DeleteFunc(s.turns, func(o string) bool { return o == owner })
}
