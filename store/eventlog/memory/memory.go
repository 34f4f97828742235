package memory

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"sluice/channel"
	"sluice/store/eventlog"
)

// Options of an engine. Zero values mean the defaults named here.
type Options struct {
	Retain   func(space string) eventlog.Retention // default: drop nothing
	MaxBytes int64                                 // of all spaces together; the oldest events go first; 256 MiB
	Source   eventlog.Source                       // default: the system's
}

var _ eventlog.Engine = (*Engine)(nil)

// Engine stores events in memory.
type Engine struct {
	options Options
	clock   *eventlog.Clock
	run     eventlog.Run

	mu     sync.RWMutex
	spaces map[string]*space
	rows   btree.Map[string, []byte] // values are never modified
	last   uint64
	bytes  int64
	pinned int64 // the part of bytes of rows and keyed events, which are never dropped to make room
}

// Open makes an empty engine. Its only run begins now.
func Open(o Options) *Engine {
	if o.Retain == nil {
		o.Retain = func(string) eventlog.Retention { return eventlog.Retention{} }
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	if o.Source.Now == nil {
		o.Source = eventlog.System()
	}
	clock := eventlog.NewClock(o.Source, 0, nil)
	start, _ := clock.Next(0)
	return &Engine{options: o, clock: clock, run: eventlog.Run{Start: start}, last: start, spaces: map[string]*space{}}
}

// space is one ordered sequence. An ordinal counts events from the beginning of the space, so the indexes need no
// change when the front is cut. base is the ordinal of events[0].
type space struct {
	events   []eventlog.Event
	base     int
	removed  uint64
	bytes    int64
	pinned   int64 // the part of bytes of entries
	channels map[channel.Channel][]int
	streams  map[string][]int
	keys     map[streamKey]uint64
	entries  map[string][]eventlog.Event // of keyed events, in order of their numbers
}

type streamKey struct{ stream, key string }

func newSpace() *space {
	return &space{channels: map[channel.Channel][]int{}, streams: map[string][]int{}, keys: map[streamKey]uint64{}, entries: map[string][]eventlog.Event{}}
}

// add appends an event.
func (s *space) add(e *eventlog.Event) {
	ordinal := s.base + len(s.events)
	s.events = append(s.events, *e)
	s.channels[e.Channel()] = append(s.channels[e.Channel()], ordinal)
	if e.Stream != "" {
		s.streams[e.Stream] = append(s.streams[e.Stream], ordinal)
	}
	if e.Key != "" {
		s.keys[streamKey{e.Stream, e.Key}] = e.ID
	}
	s.bytes += size(e)
}

// overhead is the size of an event without its texts: the struct and its two ordinals in indexes.
const overhead = 160

func size(e *eventlog.Event) int64 {
	return int64(overhead + len(e.Name) + len(e.Collection) + len(e.Stream) + len(e.Key) + len(e.Data) + len(e.Meta))
}

// Weight is the number of bytes that an event adds to State.Bytes.
func (m *Engine) Weight(e *eventlog.Event) int64 { return size(e) }

// errFull is the error of a group that would fill the memory with what is never dropped.
var errFull = fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrMemoryFull)

// Commit stores the group. Idempotency answers need no storing: they live as long as the log.
func (m *Engine) Commit(g *eventlog.Group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A quarter is for events. Otherwise each event would push out the one before it.
	if grows := m.growth(g); grows > 0 && m.pinned+grows > m.options.MaxBytes/4*3 {
		return errFull
	}
	if g.Edit != nil {
		m.edit(g.Edit)
	}
	for i := range g.Events {
		e := &g.Events[i]
		s := m.spaces[e.Space]
		if s == nil {
			s = newSpace()
			m.spaces[e.Space] = s
		}
		if e.Op != 0 {
			m.addPinned(s.entry(e))
			continue
		}
		s.add(e)
		m.bytes += size(e)
	}
	m.last = g.Last
	for _, r := range g.Rows {
		m.setRow(r.Key, r.Value)
	}
	m.retain()
	return nil
}

// retain drops what exceeds the bounds. It cuts a 32nd at a time, so that few commits pay for it.
func (m *Engine) retain() {
	for name, s := range m.spaces {
		r := m.options.Retain(name)
		if r.Bytes > 0 && s.bytes > r.Bytes {
			m.cut(s, r.Bytes-r.Bytes/32)
		}
		if floor := m.floor(r); len(s.events) > 0 && s.events[0].ID+uint64(r.Age)/32 <= floor {
			m.cutTo(s, s.after(floor))
		}
	}
	for m.bytes > m.options.MaxBytes {
		oldest := m.oldest()
		if oldest == nil {
			return // only entries and rows are left; errFull bounds them
		}
		before := m.bytes
		m.cut(oldest, oldest.bytes-m.options.MaxBytes/32)
		if m.bytes == before {
			return
		}
	}
}

func (m *Engine) oldest() *space {
	var oldest *space
	for _, s := range m.spaces {
		if len(s.events) > 0 && (oldest == nil || s.events[0].ID < oldest.events[0].ID) {
			oldest = s
		}
	}
	return oldest
}

// floor is the highest id that is expired by age.
func (m *Engine) floor(r eventlog.Retention) uint64 {
	if r.Age == 0 {
		return 0
	}
	return m.clock.Before(time.Duration(r.Age) * time.Microsecond)
}

// cut removes events from the front until at most bytes are left. The newest event always stays.
func (m *Engine) cut(s *space, bytes int64) {
	n, left := 0, s.bytes
	for left > bytes && n < len(s.events)-1 {
		left -= size(&s.events[n])
		n++
	}
	m.cutTo(s, n)
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
	s.removed = s.events[n-1].ID
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

// Head is the id of the stream's last retained event.
func (m *Engine) Head(name, stream string) (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil || len(s.streams[stream]) == 0 {
		return 0, nil
	}
	ordinals := s.streams[stream]
	id := s.events[ordinals[len(ordinals)-1]-s.base].ID
	if id <= m.floor(m.options.Retain(name)) {
		return 0, nil
	}
	return id, nil
}

// State describes a space.
func (m *Engine) State(name string) (eventlog.State, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil {
		return eventlog.State{}, nil
	}
	n, removed := m.front(name, s)
	state := eventlog.State{Removed: removed, Bytes: s.bytes, Count: int64(len(s.events) - n)}
	if n < len(s.events) {
		state.Oldest = s.events[n].ID
	}
	return state, nil
}

// front returns the index of the first event that is not expired by age, and the highest removed id.
func (m *Engine) front(name string, s *space) (int, uint64) {
	n := s.after(m.floor(m.options.Retain(name)))
	if n == 0 {
		return 0, s.removed
	}
	return n, s.events[n-1].ID
}

// Clock is the engine's clock.
func (m *Engine) Clock() *eventlog.Clock { return m.clock }

// Runs has only the current run.
func (m *Engine) Runs() []eventlog.Run { return []eventlog.Run{m.run} }

// Answers has none: nothing survives a restart.
func (m *Engine) Answers(uint64, func(eventlog.Answer)) error { return nil }

// Close drops all events.
func (m *Engine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spaces = map[string]*space{}
	return nil
}

// stepEvents bounds how many events one Read examines.
const stepEvents = 4096

// Read is one bounded step.
func (m *Engine) Read(_ context.Context, q *eventlog.Query, after, upto uint64, limit int) (eventlog.Page, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	page := eventlog.Page{Reached: max(after, upto)}
	s := m.spaces[q.Space]
	if s == nil || after >= upto {
		if s != nil {
			_, page.Removed = m.front(q.Space, s)
		}
		return page, nil
	}
	n, removed := m.front(q.Space, s)
	page.Removed = removed
	n = max(n, s.after(after))
	ordinals, more := s.ordinals(q, n)
	for _, ordinal := range ordinals {
		e := &s.events[ordinal-s.base]
		if e.ID > upto {
			return page, nil
		}
		if q.Match(e) {
			if len(page.Events) == limit {
				page.Reached = page.Events[limit-1].ID
				return page, nil
			}
			page.Events = append(page.Events, *e)
		}
	}
	if more {
		page.Reached = min(upto, s.events[ordinals[len(ordinals)-1]-s.base].ID)
	}
	return page, nil
}

// ordinals returns the ordinals of events that the query may match, from events[n] on, in order. more is true if others
// may follow. For a stream or for exact channels it uses the indexes.
func (s *space) ordinals(q *eventlog.Query, n int) (ordinals []int, more bool) {
	if q.Stream != "" {
		return s.behind(s.streams[q.Stream], n)
	}
	for _, p := range q.Channels.Patterns() {
		if p.Left.Kind != channel.Exact || p.Right.Kind != channel.Exact {
			last := min(len(s.events), n+stepEvents)
			for i := n; i < last; i++ {
				ordinals = append(ordinals, s.base+i)
			}
			return ordinals, last < len(s.events)
		}
	}
	horizon := -1
	for _, p := range q.Channels.Patterns() {
		some, cut := s.behind(s.channels[channel.Channel{Space: p.Space, Left: p.Left.Text, Collection: p.Right.Text}], n)
		ordinals = append(ordinals, some...)
		if cut && (horizon < 0 || some[len(some)-1] < horizon) {
			horizon = some[len(some)-1]
		}
	}
	sort.Ints(ordinals)
	if horizon < 0 {
		return ordinals, false
	}
	// Nothing after the first list that was cut short is complete, so it is left for the next step.
	return ordinals[:sort.SearchInts(ordinals, horizon+1)], true
}

func (s *space) behind(index []int, n int) ([]int, bool) {
	index = index[sort.SearchInts(index, s.base+n):]
	if len(index) > stepEvents {
		return index[:stepEvents], true
	}
	return index, false
}
