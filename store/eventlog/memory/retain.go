package memory

import (
	"context"
	"sort"
	"time"

	"sluice/store/eventlog"
)

// parts is the number of parts in which retention cuts, so that few commits pay for it.
const parts = 32

// Kicked has a token when a space, or all together, exceed their bytes.
func (m *Engine) Kicked() <-chan struct{} { return m.kicked }

func (m *Engine) kick() {
	select {
	case m.kicked <- struct{}{}:
	default:
	}
}

// over reports whether a bound of bytes is crossed after a group.
func (m *Engine) over(g *eventlog.Group) bool {
	if m.bytes > m.options.MaxBytes {
		return true
	}
	last := ""
	for i := range g.Events {
		name := g.Events[i].Space
		if i > 0 && name == last {
			continue
		}
		last = name
		if r, s := m.options.Retain(name), m.spaces[name]; r.Bytes > 0 && s != nil && s.bytes > r.Bytes {
			return true
		}
	}
	return false
}

// Trims returns the cuts that are due: of spaces over their bytes or with events over their age, and of the oldest spaces
// if all together take too much.
func (m *Engine) Trims(context.Context) ([]eventlog.Trim, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var trims []eventlog.Trim
	left := m.bytes
	cut := map[string]int{} // how many events of each space
	for name, s := range m.spaces {
		r := m.options.Retain(name)
		n := 0
		if r.Bytes > 0 && s.bytes > r.Bytes {
			n = s.beyond(0, s.bytes-r.Bytes+r.Bytes/parts)
		}
		if floor := m.floor(r); len(s.events) > 0 && s.events[0].ID+uint64(r.Age)/parts <= floor {
			n = max(n, s.after(floor))
		}
		if n > 0 {
			cut[name] = n
			left -= s.weigh(0, n)
		}
	}
	for left > m.options.MaxBytes {
		name, s := m.oldest(cut)
		if s == nil {
			break // only entries and rows are left; Admit bounds them
		}
		from := cut[name]
		n := s.beyond(from, m.options.MaxBytes/parts)
		if n == from {
			break
		}
		left -= s.weigh(from, n)
		cut[name] = n
	}
	for name, n := range cut {
		trims = append(trims, eventlog.Trim{Space: name, ID: m.spaces[name].events[n-1].ID})
	}
	return trims, nil
}

// oldest is the space with the oldest event that is not cut already, and that has more than one.
func (m *Engine) oldest(cut map[string]int) (name string, oldest *space) {
	for n, s := range m.spaces {
		if i := cut[n]; i < len(s.events)-1 && (oldest == nil || s.events[i].ID < oldest.events[cut[name]].ID) {
			name, oldest = n, s
		}
	}
	return name, oldest
}

// beyond is the index after the events, from one on, that make up some bytes. The newest event always stays.
func (s *space) beyond(from int, bytes int64) int {
	n := from
	for bytes > 0 && n < len(s.events)-1 {
		bytes -= size(&s.events[n])
		n++
	}
	return n
}

func (s *space) weigh(from, to int) (bytes int64) {
	for i := from; i < to; i++ {
		bytes += size(&s.events[i])
	}
	return bytes
}

// floor is the highest id that is expired by age.
func (m *Engine) floor(r eventlog.Retention) uint64 {
	if r.Age == 0 {
		return 0
	}
	return m.clock.Before(time.Duration(r.Age) * time.Microsecond)
}

// trim removes the events of a space up to an id. It does nothing to a keyed space, which has none.
func (m *Engine) trim(t eventlog.Trim) {
	s := m.spaces[t.Space]
	if s == nil || t.ID <= s.removed || eventlog.IsKeyed(t.Space) {
		return
	}
	m.cutTo(s, s.after(t.ID))
	s.removed = t.ID
}

func (m *Engine) cutTo(s *space, n int) {
	if n == 0 {
		return
	}
	for i := range s.events[:n] {
		e := &s.events[i]
		s.bytes -= size(e)
		m.bytes -= size(e)
		drop(s.channels, e.Channel())
		if e.Stream != "" {
			drop(s.streams, e.Stream)
		}
		if e.Key != "" {
			delete(s.keys, streamKey{e.Stream, e.Key})
		}
	}
	s.base += n
	s.events = append(make([]eventlog.Event, 0, len(s.events)-n+64), s.events[n:]...)
}

// drop removes the oldest ordinal from an index.
func drop[K comparable](index map[K][]int, key K) {
	if ordinals := index[key][1:]; len(ordinals) > 0 {
		index[key] = ordinals
	} else {
		delete(index, key)
	}
}

// after is the number of events with an id up to id.
func (s *space) after(id uint64) int {
	return sort.Search(len(s.events), func(i int) bool { return s.events[i].ID > id })
}
