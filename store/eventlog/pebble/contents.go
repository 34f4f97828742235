package pebble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"sluice/channel"
	"sluice/store/eventlog"
)

var _ eventlog.Contents = (*Engine)(nil)

// Spaces are all spaces, in order of their names.
func (e *Engine) Spaces() []eventlog.Space {
	e.mu.RLock()
	defer e.mu.RUnlock()
	spaces := make([]eventlog.Space, 0, len(e.spaces))
	for name, s := range e.spaces {
		count := int64(0)
		for i := range s.segments {
			count += s.segments[i].count
		}
		spaces = append(spaces, eventlog.Space{Name: name, Floor: s.removed, Count: count})
	}
	slices.SortFunc(spaces, func(a, b eventlog.Space) int { return cmp.Compare(a.Name, b.Name) })
	return spaces
}

// Events reads the events after the floor of a space, in steps as Read does, but without a look at the clock.
func (e *Engine) Events(ctx context.Context, space string, f func(*eventlog.Event) error) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	number, known := e.number(space)
	if !known {
		return nil
	}
	_, after := e.segments(space)
	q := &eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space})}
	for after < math.MaxUint64 {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := &reader{engine: e, bounds: e.bounds, query: q, space: number, limit: math.MaxInt, kinds: map[string]kind{}}
		r.page.Reached = after
		if err := r.events(); err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		for i := range r.page.Events {
			if err := f(&r.page.Events[i]); err != nil {
				return err
			}
		}
		after = r.page.Reached
	}
	return nil
}

// events is one step of Events.
func (r *reader) events() (err error) {
	if r.iter, err = r.engine.db.NewIter(nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.iter.Close()) }()
	return r.scan(math.MaxUint64)
}
