package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"sluice/store/eventlog"
)

// entry applies a keyed event and returns by how much the space has grown.
func (s *space) entry(e *eventlog.Event) (grown int64) {
	entries := slices.DeleteFunc(slices.Clone(s.entries[e.Key]), func(old eventlog.Event) bool {
		gone := slices.Contains(e.Drops, old.Seq)
		if gone {
			grown -= size(&old)
		}
		return gone
	})
	if e.Entry() {
		entry := *e
		entry.Op, entry.Drops = eventlog.Append, nil
		entries = append(entries, entry)
		grown += size(&entry)
		slices.SortFunc(entries, func(a, b eventlog.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	if len(entries) == 0 {
		delete(s.entries, e.Key)
	} else {
		s.entries[e.Key] = entries
	}
	s.bytes += grown
	s.pinned += grown
	return grown
}

// Keyed reads the entries and the last position as of one moment.
func (m *Engine) Keyed(_ context.Context, name string, key *string, f func(eventlog.Event) error) (uint64, error) {
	m.mu.RLock()
	last := m.stored.Last
	var found []eventlog.Event
	if s := m.spaces[name]; s != nil {
		for _, k := range slices.Sorted(maps.Keys(s.entries)) {
			if key == nil || *key == k {
				found = append(found, s.entries[k]...)
			}
		}
	}
	m.mu.RUnlock()
	for _, e := range found {
		if err := f(e); err != nil {
			return 0, err
		}
	}
	return last, nil
}
