package memory

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"

	"sluice/store/eventlog"
)

// Names sorts the names of all streams on each call.
func (m *Engine) Names(_ context.Context, name, prefix, after string, limit int) (found []eventlog.StreamState, next string, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil {
		return nil, "", nil
	}
	n, _ := m.front(name, s)
	oldest := s.base + n
	for _, stream := range slices.Sorted(maps.Keys(s.streams)) {
		ordinals := s.streams[stream]
		ordinals = ordinals[sort.SearchInts(ordinals, oldest):]
		if !strings.HasPrefix(stream, prefix) || stream <= after && after != "" || len(ordinals) == 0 {
			continue
		}
		if len(found) == limit {
			return found, found[limit-1].Stream, nil
		}
		found = append(found, eventlog.StreamState{
			Stream: stream, First: s.events[ordinals[0]-s.base].ID, Last: s.events[ordinals[len(ordinals)-1]-s.base].ID,
			Count: min(len(ordinals), eventlog.MostCounted),
		})
	}
	return found, "", nil
}
