package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Some state lives both in rows and in memory: keys, users, databases. A change stores the rows first and then changes
// the memory. If a change stopped when its sender gave up, a commit that came later would be stored, but would not
// apply until a restart. So a change always runs to its end, however long the disk takes. Its sender waits no longer
// than a publisher.

// changes counts the changes that run.
type changes struct {
	running sync.WaitGroup
	mu      sync.Mutex
	waiting int           // how many have waited longer than WaitLimit
	late    chan struct{} // closed while waiting > 0
}

// changing is the context key that marks a running change.
type changing struct{}

// Change calls f, which must pass its context on to Append, and returns the result of f. If the log does not answer
// within WaitLimit, Change returns ErrUnknown and f goes on. Until f has ended, Change refuses all other changes: they
// would start from state that may be out of date, and each of them would take memory.
func Change[T any](ctx context.Context, l *Log, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	if ctx.Value(changing{}) != nil {
		return f(ctx) // part of another change
	}
	late := l.changes.lateness()
	select {
	case <-late:
		return *new(T), fmt.Errorf("%w: %w: an earlier change is not stored yet", ErrUnavailable, ErrNoAnswer)
	default:
	}
	done := make(chan result, 1)
	l.changes.running.Go(func() {
		value, err := f(context.WithValue(ctx, changing{}, true))
		done <- result{value, err}
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-late:
	}
	select {
	case r := <-done:
		return r.value, r.err
	default:
		return *new(T), l.noAnswer(ErrUnknown)
	}
}

// Changed is Change for a function that returns only an error.
func Changed(ctx context.Context, l *Log, f func(context.Context) error) error {
	_, err := Change(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// Late reports whether a change has waited for the log longer than WaitLimit.
func (l *Log) Late() bool {
	select {
	case <-l.changes.lateness():
		return true
	default:
		return false
	}
}

func (l *Log) noAnswer(unknown error) error {
	return fmt.Errorf("%w: %w: %w: no answer for %s", unknown, ErrUnavailable, ErrNoAnswer, l.options.WaitLimit.Round(time.Millisecond))
}

// lateness returns a channel that is closed while a change is late.
func (c *changes) lateness() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channel()
}

// channel is lateness for callers that hold mu.
func (c *changes) channel() chan struct{} {
	if c.late == nil {
		c.late = make(chan struct{})
	}
	return c.late
}

// await waits for the answer to a request whose change is late.
func (c *changes) await(l *Log, p *pending) (uint64, error) {
	c.mu.Lock()
	if c.waiting++; c.waiting == 1 {
		close(c.channel())
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.waiting--; c.waiting == 0 {
			c.late = nil
		}
	}()
	select {
	case <-p.done:
		return p.first, p.err
	case <-l.failed:
		return p.giveUp(fmt.Errorf("%w: it has failed", ErrUnavailable))
	}
}
