package memory

import (
	"context"
	"sort"
	"sync"

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
	kicked  chan struct{} // has a token when something must be cut

	mu     sync.RWMutex
	spaces map[string]*space
	rows   btree.Map[string, []byte] // values are never modified
	runs   []eventlog.Run            // never modified, only replaced
	stored eventlog.Applied          // of the last commit
	bytes  int64
	pinned int64 // the part of bytes of rows and keyed events, which are never dropped to make room
}

// Open makes an empty engine.
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
	return &Engine{options: o, clock: eventlog.NewClock(o.Source, 0, nil), kicked: make(chan struct{}, 1), spaces: map[string]*space{}}
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

// Admit refuses a request that would fill the memory with what is never dropped. A quarter is for events: otherwise each of
// them would push out the one before it.
func (m *Engine) Admit(r *eventlog.Request) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if grows := m.growth(r); grows > 0 && m.pinned+grows > m.options.MaxBytes/4*3 {
		return eventlog.ErrMemoryFull
	}
	return nil
}

// Commit stores the group. Idempotency answers need no storing: they live as long as the log.
func (m *Engine) Commit(g *eventlog.Group) error {
	m.mu.Lock()
	defer m.mu.Unlock()
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
	m.stored = g.Applied
	if g.Run != nil {
		m.runs = append(m.runs[:len(m.runs):len(m.runs)], *g.Run)
	}
	for _, r := range g.Rows {
		m.setRow(r.Key, r.Value)
	}
	if m.over(g) {
		m.kick()
	}
	return nil
}

// Head is the id of the stream's last event that was not cut.
func (m *Engine) Head(name, stream string) (uint64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.spaces[name]
	if s == nil || len(s.streams[stream]) == 0 {
		return 0, nil
	}
	ordinals := s.streams[stream]
	return s.events[ordinals[len(ordinals)-1]-s.base].ID, nil
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
func (m *Engine) Runs() []eventlog.Run {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.runs
}

// Applied is nothing: the engine begins empty.
func (m *Engine) Applied() eventlog.Applied { return eventlog.Applied{} }

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
	for p := range q.Channels.Patterns() {
		if p.Left.Kind != channel.Exact || p.Right.Kind != channel.Exact {
			last := min(len(s.events), n+stepEvents)
			for i := n; i < last; i++ {
				ordinals = append(ordinals, s.base+i)
			}
			return ordinals, last < len(s.events)
		}
	}
	horizon := -1
	for p := range q.Channels.Patterns() {
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
