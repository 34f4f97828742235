package share

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// ErrQueueFull is the error of Acquire if too many requests of the owner wait already.
var ErrQueueFull = errors.New("too many requests of this credential wait already")

// Slots lets a fixed number of tasks run at once. Free slots go round robin to the owners that wait. An owner with a
// slot gets another only if no other owner waits. So an owner waits for at most one task of each other owner.
//
// A task may need several slots at once. Then a slot is a unit of a resource, such as a byte.
type Slots struct {
	perOwner   int64 // slots
	maxWaiting int   // requests of one owner

	mu      sync.Mutex
	free    int64
	running map[string]int64 // slots in use, by owner
	waiting map[string][]*waiter
	turns   []string // the owners that wait, next first
}

type waiter struct {
	n     int64
	ready chan struct{}
}

// NewSlots makes n slots. At most maxWaiting requests of one owner may wait; further ones are refused.
func NewSlots(n, maxWaiting int) *Slots { return NewUnits(int64(n), int64(n), maxWaiting) }

// NewUnits makes n slots, of which one owner may have at most perOwner.
func NewUnits(n, perOwner int64, maxWaiting int) *Slots {
	return &Slots{
		perOwner: perOwner, maxWaiting: maxWaiting, free: n, running: map[string]int64{}, waiting: map[string][]*waiter{},
	}
}

// Slot is what a task has until Release.
type Slot struct {
	of    *Slots
	owner string
	n     int64
}

// Acquire waits for a slot for the owner of ctx, or until ctx ends. The caller calls release once.
func (s *Slots) Acquire(ctx context.Context) (release func(), err error) {
	slot, err := s.Take(ctx, 1)
	if err != nil {
		return nil, err
	}
	return slot.Release, nil
}

// Take waits for n slots at once for the owner of ctx, or until ctx ends. If n is more than an owner may have, it takes
// as many as the owner may have.
func (s *Slots) Take(ctx context.Context, n int64) (*Slot, error) {
	slot := &Slot{of: s, owner: Owner(ctx), n: min(n, s.perOwner)}
	s.mu.Lock()
	w, err := s.enqueue(slot)
	s.mu.Unlock()
	if err == nil && w != nil {
		err = slot.ready(ctx, w)
	}
	if err != nil {
		return nil, err
	}
	return slot, nil
}

// enqueue takes the slots at once and returns nil, or returns a waiter that is ready when the slots are taken.
func (s *Slots) enqueue(slot *Slot) (w *waiter, err error) {
	if len(s.turns) == 0 && s.free >= slot.n && s.running[slot.owner]+slot.n <= s.perOwner {
		s.take(slot.owner, slot.n)
		return nil, nil
	}
	queue := s.waiting[slot.owner]
	if len(queue) >= s.maxWaiting {
		return nil, ErrQueueFull
	}
	w = &waiter{slot.n, make(chan struct{})}
	s.wait(slot.owner, append(queue, w))
	s.dispatch()
	return w, nil
}

// Waiting is the number of requests of the owner of ctx that wait.
func (s *Slots) Waiting(ctx context.Context) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting[Owner(ctx)])
}

// Waited reports whether another owner with fewer slots waits.
func (t *Slot) Waited() bool {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	return t.waited()
}

// Yield gives the slot to another owner that waits, if there is one. Then it waits for the slot again, ahead of the
// other tasks of its owner. If it fails because ctx ended, the slot is released.
func (t *Slot) Yield(ctx context.Context) error {
	s := t.of
	s.mu.Lock()
	if !t.waited() {
		s.mu.Unlock()
		return nil
	}
	w := &waiter{t.n, make(chan struct{})}
	s.wait(t.owner, append([]*waiter{w}, s.waiting[t.owner]...))
	s.release(t.owner, t.n)
	s.mu.Unlock()
	return t.ready(ctx, w)
}

// Shrink gives all but n slots back.
func (t *Slot) Shrink(n int64) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if n < t.n {
		t.of.release(t.owner, t.n-n)
		t.n = n
	}
}

// Release gives the slots back. It may be called again.
func (t *Slot) Release() { t.Shrink(0) }

// ready waits until w has its slots.
func (t *Slot) ready(ctx context.Context, w *waiter) error {
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	s := t.of
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.ready: // it became ready at the same moment
		s.release(t.owner, t.n)
	default:
		s.wait(t.owner, slices.DeleteFunc(s.waiting[t.owner], func(o *waiter) bool { return o == w }))
		s.dispatch() // the others may have waited only for this one
	}
	t.n = 0
	return ctx.Err()
}

func (t *Slot) waited() bool {
	s := t.of
	return slices.ContainsFunc(s.turns, func(o string) bool { return o != t.owner && s.running[o] < s.running[t.owner] })
}

func (s *Slots) take(owner string, n int64) {
	s.free -= n
	s.running[owner] += n
}

// release gives slots back. Their owner has had a turn, so it goes behind those who wait.
func (s *Slots) release(owner string, n int64) {
	s.free += n
	if s.running[owner] -= n; s.running[owner] == 0 {
		delete(s.running, owner)
	}
	s.moveBack(owner)
	s.dispatch()
}

// dispatch gives free slots to the owners in turn. If they are too few for the next one, all others wait behind it:
// otherwise small tasks could lock a large one out for good.
func (s *Slots) dispatch() {
	for {
		owner, ok := s.next()
		if !ok || s.waiting[owner][0].n > s.free {
			return
		}
		w := s.waiting[owner][0]
		s.take(owner, w.n)
		s.moveBack(owner)
		s.wait(owner, s.waiting[owner][1:])
		close(w.ready)
	}
}

// next is the first owner in turn without a slot, or else the first that may have more.
func (s *Slots) next() (next string, ok bool) {
	for _, owner := range s.turns {
		if s.running[owner] == 0 {
			return owner, true
		}
		if !ok && s.running[owner]+s.waiting[owner][0].n <= s.perOwner {
			next, ok = owner, true
		}
	}
	return next, ok
}

func (s *Slots) moveBack(owner string) {
	if at := slices.Index(s.turns, owner); at >= 0 {
		s.turns = append(slices.Delete(s.turns, at, at+1), owner)
	}
}

// wait sets an owner's queue. turns has the owners with a queue.
func (s *Slots) wait(owner string, queue []*waiter) {
	waited := len(s.waiting[owner]) > 0
	switch {
	case len(queue) == 0:
		delete(s.waiting, owner)
		s.turns = slices.DeleteFunc(s.turns, func(o string) bool { return o == owner })
		return
	case !waited:
		s.turns = append(s.turns, owner)
	}
	s.waiting[owner] = queue
}
