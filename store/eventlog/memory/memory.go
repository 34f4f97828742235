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

// Options of an engine; zero values take the defaults named.
type Options struct {
	Retain   func(space string) eventlog.Retention // nothing is dropped
	MaxBytes int64                                 // of all spaces together, oldest go first; 256 MiB
	Source   eventlog.Source                       // the system's
}

var _ eventlog.Engine = (*Engine)(nil)

// Engine keeps events in memory.
type Engine struct {
	options Options
	clock   *eventlog.Clock
	run     eventlog.Run

	mu     sync.RWMutex
	spaces map[string]*space
	rows   btree.Map[string, []byte] // values are never changed
	last   uint64
	bytes  int64
	kept   int64 // of bytes those of rows and keyed events, which nothing makes room for
}

// Open makes an empty engine, whose only run begins now.
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

// space is one ordered sequence. Places count from its beginning, so that the indexes need no
// change when the front is cut; base is the place of events[0].
type space struct {
	events   []eventlog.Event
	base     int
	removed  uint64
	bytes    int64
	kept     int64 // of bytes those of entries
	channels map[channel.Channel][]int
	streams  map[string][]int
	keys     map[streamKey]uint64
	entries  map[string][]eventlog.Event // of keyed events, in order of their numbers
}

type streamKey struct{ stream, key string }

func newSpace() *space {
	return &space{channels: map[channel.Channel][]int{}, streams: map[string][]int{}, keys: map[streamKey]uint64{}, entries: map[string][]eventlog.Event{}}
}

// add puts an event at the end.
func (s *space) add(e *eventlog.Event) {
	place := s.base + len(s.events)
	s.events = append(s.events, *e)
	s.channels[e.Channel()] = append(s.channels[e.Channel()], place)
	if e.Stream != "" {
		s.streams[e.Stream] = append(s.streams[e.Stream], place)
	}
	if e.Key != "" {
		s.keys[streamKey{e.Stream, e.Key}] = e.ID
	}
	s.bytes += size(e)
}

// overhead is what an event takes beside its text: the struct and its two index places.
const overhead = 160

func size(e *eventlog.Event) int64 {
	return int64(overhead + len(e.Name) + len(e.Collection) + len(e.Stream) + len(e.Key) + len(e.Data) + len(e.Meta))
}

// Weight is what State counts an event as.
func (m *Engine) Weight(e *eventlog.Event) int64 { return size(e) }

// errFull is the error of a group that would fill the memory with what is not let go of.
var errFull = fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrMemoryFull)

// Commit stores the group. Idempotency answers need no storing: they live as long as the log.
func (m *Engine) Commit(g *eventlog.Group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A quarter is left to events, else each of them would push out the one before.
	if grows := m.growth(g); grows > 0 && m.kept+grows > m.options.MaxBytes/4*3 {
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
			m.keep(s.entry(e))
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

// retain cuts what is over, by a 32nd at a time so that the work is spread thin.
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
			return // what is left are keyed entries, which have bounds of their own
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

// cut removes from the front until at most so many bytes are left; the newest event stays.
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

// drop takes the oldest place off an index.
func drop[K comparable](index map[K][]int, key K) {
	if places := index[key][1:]; len(places) > 0 {
		index[key] = places
	} else {
		delete(index, key)
	}
}

// after is how many events of the space have an id up to this one.
func (s *space) after(id uint64) int {
	return sort.Search(len(s.events), func(i int) bool { return s.events[i].ID > id })
}

// Head is the id of the stream's last event, as far as it is retained.
func (m *Engine) Head(name, stream string) (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil || len(s.streams[stream]) == 0 {
		return 0, nil
	}
	places := s.streams[stream]
	id := s.events[places[len(places)-1]-s.base].ID
	if id <= m.floor(m.options.Retain(name)) {
		return 0, nil
	}
	return id, nil
}

// State tells of a space.
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

// front is the first event that is not expired by age, and the highest id that is removed.
func (m *Engine) front(name string, s *space) (int, uint64) {
	n := s.after(m.floor(m.options.Retain(name)))
	if n == 0 {
		return 0, s.removed
	}
	return n, s.events[n-1].ID
}

// Clock is the engine's.
func (m *Engine) Clock() *eventlog.Clock { return m.clock }

// Runs is the one run.
func (m *Engine) Runs() []eventlog.Run { return []eventlog.Run{m.run} }

// Answers has none to tell.
func (m *Engine) Answers(uint64, func(eventlog.Answer)) error { return nil }

// Close lets everything go.
func (m *Engine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spaces = map[string]*space{}
	return nil
}

// stepEvents bounds how many events one Read looks at.
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
	places, more := s.places(q, n)
	for _, place := range places {
		e := &s.events[place-s.base]
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
		page.Reached = min(upto, s.events[places[len(places)-1]-s.base].ID)
	}
	return page, nil
}

// places are where events of the query can be, from the n-th on, in order, and whether there may be
// more behind the last of them. A stream or exact channels lead to them by index.
func (s *space) places(q *eventlog.Query, n int) (places []int, more bool) {
	if q.Stream != "" {
		return s.behind(s.streams[q.Stream], n)
	}
	for _, p := range q.Channels.Patterns() {
		if p.Left.Kind != channel.Exact || p.Right.Kind != channel.Exact {
			last := min(len(s.events), n+stepEvents)
			for i := n; i < last; i++ {
				places = append(places, s.base+i)
			}
			return places, last < len(s.events)
		}
	}
	horizon := -1
	for _, p := range q.Channels.Patterns() {
		some, cut := s.behind(s.channels[channel.Channel{Space: p.Space, Left: p.Left.Text, Collection: p.Right.Text}], n)
		places = append(places, some...)
		if cut && (horizon < 0 || some[len(some)-1] < horizon) {
			horizon = some[len(some)-1]
		}
	}
	sort.Ints(places)
	if horizon < 0 {
		return places, false
	}
	// What lies behind the list that was cut first is left for the next step.
	return places[:sort.SearchInts(places, horizon+1)], true
}

func (s *space) behind(index []int, n int) ([]int, bool) {
	index = index[sort.SearchInts(index, s.base+n):]
	if len(index) > stepEvents {
		return index[:stepEvents], true
	}
	return index, false
}
