package eventlog

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// What is held in memory beside its rows (keys, users, databases) is changed once the rows are stored. A change whose commit
// came after its sender gave up would be stored and not in force until a restart. So a change runs to its end, however long
// the disk takes. Its sender waits no longer than a publisher does.

// changes are those under way.
type changes struct {
	running sync.WaitGroup
	mu      sync.Mutex
	waiting int           // how many have waited longer than WaitLimit
	late    chan struct{} // closed while there are such
}

// changing is the key of a change in its context.
type changing struct{}

// Change calls f, which passes its context on to Append, and returns what f does. Where the log does not answer within
// WaitLimit it returns ErrUnknown, and f goes on. Until that has ended, other changes are refused: what they begin with may
// be out of date, and each would hold memory.
func Change[T any](ctx context.Context, l *Log, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	if ctx.Value(changing{}) != nil {
		return f(ctx) // a part of another
	}
	late := l.changes.lateness()
	select {
	case <-late:
		return *new(T), fmt.Errorf("%w: %w: an earlier change waits to be stored", ErrUnavailable, ErrNoAnswer)
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

// Changed is Change for what returns nothing but an error.
func Changed(ctx context.Context, l *Log, f func(context.Context) error) error {
	_, err := Change(ctx, l, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// Late reports whether a change waits for the log longer than WaitLimit.
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

// lateness is closed while a change is late.
func (c *changes) lateness() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channel()
}

// channel is lateness while mu is held.
func (c *changes) channel() chan struct{} {
	if c.late == nil {
		c.late = make(chan struct{})
	}
	return c.late
}

// await waits for the answer to a request of a change that is late.
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
