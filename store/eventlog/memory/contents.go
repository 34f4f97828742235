package memory

import (
	"context"
	"maps"
	"math"
	"slices"

	"sluice/store/eventlog"
)

var _ eventlog.Contents = (*Engine)(nil)

// Stored is how far the last commit came.
func (m *Engine) Stored() eventlog.Applied {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.stored
}

// Spaces are all spaces, in order of their names.
func (m *Engine) Spaces() []eventlog.Space {
	m.mu.RLock()
	defer m.mu.RUnlock()
	spaces := make([]eventlog.Space, 0, len(m.spaces))
	for _, name := range slices.Sorted(maps.Keys(m.spaces)) {
		s := m.spaces[name]
		count := len(s.events)
		for _, entries := range s.entries {
			count += len(entries)
		}
		spaces = append(spaces, eventlog.Space{Name: name, Floor: s.removed, Count: int64(count)})
	}
	return spaces
}

// Events calls f for each event of a space that was not cut.
func (m *Engine) Events(ctx context.Context, name string, f func(*eventlog.Event) error) error {
	m.mu.RLock()
	var events []eventlog.Event
	if s := m.spaces[name]; s != nil {
		events = slices.Clone(s.events)
	}
	m.mu.RUnlock()
	for i := range events {
		if err := f(&events[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Oldest is an id before which no event is retained, math.MaxUint64 if none is. It is 0 while there are keyed spaces, as in
// other engines.
func (m *Engine) Oldest() (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	oldest := uint64(math.MaxUint64)
	for name, s := range m.spaces {
		switch {
		case eventlog.IsKeyed(name):
			return 0, nil
		case len(s.events) > 0:
			oldest = min(oldest, s.events[0].ID)
		}
	}
	return oldest, nil
}
