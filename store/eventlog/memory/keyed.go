package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"sluice/store/eventlog"
)

// entry does what a keyed event does, and says by how much the space has grown.
func (s *space) entry(e *eventlog.Event) (grown int64) {
	kept := slices.DeleteFunc(slices.Clone(s.entries[e.Key]), func(old eventlog.Event) bool {
		gone := slices.Contains(e.Drops, old.Seq)
		if gone {
			grown -= size(&old)
		}
		return gone
	})
	if e.Entry() {
		entry := *e
		entry.Op, entry.Drops = eventlog.Append, nil
		kept = append(kept, entry)
		grown += size(&entry)
		slices.SortFunc(kept, func(a, b eventlog.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	if len(kept) == 0 {
		delete(s.entries, e.Key)
	} else {
		s.entries[e.Key] = kept
	}
	s.bytes += grown
	s.kept += grown
	return grown
}

// Keyed reads entries and the last position at one moment.
func (m *Engine) Keyed(_ context.Context, name string, key *string, f func(eventlog.Event) error) (uint64, error) {
	m.mu.RLock()
	last := max(m.last, m.run.Start)
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
