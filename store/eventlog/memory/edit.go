package memory

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"

	"sluice/store/eventlog"
)

func (m *Engine) edit(edit *eventlog.Edit) {
	if edit.Removes() && len(edit.Remove) == 1 {
		m.remove(&edit.Remove[0])
		return
	}
	by := map[uint64]*eventlog.Event{} // nil: removed
	touched := map[string]bool{}
	for i := range edit.Remove {
		e := &edit.Remove[i]
		by[e.ID], touched[e.Space] = nil, true
	}
	for i := range edit.Replace {
		e := &edit.Replace[i].New
		by[e.ID], touched[e.Space] = e, true
	}
	for name := range touched {
		if s := m.spaces[name]; s != nil {
			m.put(name, s.rebuilt(by))
		}
	}
	for _, name := range edit.Drop {
		m.put(name, nil)
	}
	if s := m.spaces[edit.Rename[0]]; s != nil && edit.Rename[0] != "" {
		delete(m.spaces, edit.Rename[0])
		for i := range s.events {
			s.events[i].Space = edit.Rename[1]
		}
		// The keys of the index by channel have the space's name, so the index is built again.
		m.bytes -= s.bytes
		m.pinned -= s.pinned
		m.put(edit.Rename[1], s.rebuilt(nil))
	}
	for _, prefix := range edit.DropRows {
		m.dropRows(prefix)
	}
	for _, t := range edit.Trim {
		m.trim(t)
	}
}

// remove removes one event without building its space again.
func (m *Engine) remove(e *eventlog.Event) {
	s := m.spaces[e.Space]
	if s == nil {
		return
	}
	before := s.bytes
	s.remove(e.ID)
	m.bytes += s.bytes - before
}

// remove takes time in proportion to the events after the removed one, and to the number of channels and streams.
func (s *space) remove(id uint64) {
	i := sort.Search(len(s.events), func(i int) bool { return s.events[i].ID >= id })
	if i == len(s.events) || s.events[i].ID != id {
		return
	}
	e := &s.events[i]
	closeUp(s.channels, s.base+i)
	closeUp(s.streams, s.base+i)
	if e.Key != "" {
		delete(s.keys, streamKey{e.Stream, e.Key})
	}
	s.bytes -= size(e)
	s.events = slices.Delete(s.events, i, i+1)
}

// closeUp removes an ordinal from an index. The later ones become lower by one.
func closeUp[K comparable](index map[K][]int, ordinal int) {
	for key, ordinals := range index {
		n := sort.SearchInts(ordinals, ordinal)
		if n < len(ordinals) && ordinals[n] == ordinal {
			ordinals = slices.Delete(ordinals, n, n+1)
			index[key] = ordinals
		}
		for i := n; i < len(ordinals); i++ {
			ordinals[i]--
		}
		if len(ordinals) == 0 {
			delete(index, key)
		}
	}
}

// put replaces a space, or deletes it if s is nil.
func (m *Engine) put(name string, s *space) {
	if old := m.spaces[name]; old != nil {
		m.bytes -= old.bytes
		m.pinned -= old.pinned
		delete(m.spaces, name)
	}
	if s != nil {
		m.bytes += s.bytes
		m.pinned += s.pinned
		m.spaces[name] = s
	}
}

// rebuilt returns the space with some events replaced or removed. It takes time in proportion to the size of the space.
func (s *space) rebuilt(by map[uint64]*eventlog.Event) *space {
	out := newSpace()
	out.removed, out.entries = s.removed, s.entries
	for _, entries := range s.entries {
		for i := range entries {
			out.bytes += size(&entries[i])
		}
	}
	out.pinned = out.bytes
	for i := range s.events {
		e, changed := by[s.events[i].ID]
		if !changed {
			e = &s.events[i]
		}
		if e != nil {
			out.add(e)
		}
	}
	return out
}

// Find is the id of the event with a key in a stream.
func (m *Engine) Find(name, stream, key string) (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s := m.spaces[name]; s != nil {
		return s.keys[streamKey{stream, key}], nil
	}
	return 0, nil
}

// Streams sorts the names of all streams on each call.
func (m *Engine) Streams(_ context.Context, name, prefix, after string, limit int) ([]eventlog.StreamState, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil {
		return nil, nil
	}
	var found []eventlog.StreamState
	for _, stream := range slices.Sorted(maps.Keys(s.streams)) {
		if !strings.HasPrefix(stream, prefix) || stream <= after && after != "" {
			continue
		}
		if len(found) == limit {
			break
		}
		ordinals := s.streams[stream]
		found = append(found, eventlog.StreamState{
			Stream: stream, First: s.events[ordinals[0]-s.base].ID, Last: s.events[ordinals[len(ordinals)-1]-s.base].ID, Count: len(ordinals),
		})
	}
	return found, nil
}
