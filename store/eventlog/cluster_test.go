package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

// cluster is some logs on one journal.
type cluster struct {
	logtest.TB
	journal *logtest.Shared
	members []*member
	options eventlog.Options
}

// member is one of the logs.
type member struct {
	*eventlog.Log
	node   *logtest.SharedNode
	engine eventlog.Engine
	files  vfs.FS // nil: the engine is in memory
	source eventlog.Source

	mu   sync.Mutex
	tail []uint64
}

// remembering is an engine in memory that has the answers for a digest, as one with files does.
type remembering struct {
	*memory.Engine
	answers []eventlog.Answer
}

func (r *remembering) Commit(g *eventlog.Group) error {
	r.answers = append(r.answers, g.Answers...)
	return r.Engine.Commit(g)
}

func (r *remembering) Answers(since uint64, f func(eventlog.Answer)) error {
	for _, a := range r.answers {
		if a.First >= since {
			f(a)
		}
	}
	return nil
}

func newCluster(t logtest.TB) *cluster { return &cluster{TB: t, journal: logtest.NewShared()} }

// add adds a log that has started, with its files or in memory.
func (c *cluster) add(files vfs.FS) *member {
	c.Helper()
	m := &member{files: files}
	c.members = append(c.members, m)
	c.open(m)
	c.start(m)
	return m
}

// addBoth adds one log of each kind of engine.
func (c *cluster) addBoth() { c.add(nil); c.add(vfs.NewMem()) }

func (c *cluster) open(m *member) {
	c.Helper()
	if m.files == nil {
		m.engine = &remembering{Engine: memory.Open(memory.Options{Source: m.source})}
	} else {
		engine, err := pebble.Open(pebble.Options{Dir: "log", FS: m.files, Source: m.source})
		if err != nil {
			c.Fatal(err)
		}
		m.engine = engine
	}
	c.openWith(m)
}

// openWith opens a log with an engine that is open already.
func (c *cluster) openWith(m *member) {
	c.Helper()
	m.node = c.journal.NodeAfter(m.engine.Applied().Place)
	o := c.options
	o.Journal, o.TryAgain = m.node, time.Millisecond
	log, err := eventlog.Open(m.engine, o)
	if err != nil {
		c.Fatal(err)
	}
	m.Log = log
	log.Tail(func(events []eventlog.Event, _ uint64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range events {
			m.tail = append(m.tail, events[i].ID)
		}
	})
}

func (c *cluster) start(m *member) {
	c.Helper()
	if err := m.Start(context.Background()); err != nil {
		c.Fatal(err)
	}
}

// reopen restarts a log.
func (c *cluster) reopen(m *member) {
	c.Helper()
	if err := m.Close(); err != nil {
		c.Fatal(err)
	}
	if m.files == nil {
		m.tail = nil // it applies everything again
	}
	c.open(m)
	c.start(m)
}

// end checks that all logs have the same state and have seen the same events, and closes them.
func (c *cluster) end() {
	c.Helper()
	c.check()
	for _, m := range c.members {
		if err := m.Close(); err != nil {
			c.Errorf("closing: %v", err)
		}
	}
}

// check checks that all logs have the same state.
func (c *cluster) check() {
	c.Helper()
	c.journal.Add(1<<40, c.journal.Len()+1, &eventlog.Request{}) // an engine stores its place with a change
	var first [32]byte
	var chain uint64
	for i, m := range c.members {
		if err := m.Barrier(context.Background()); err != nil {
			c.Fatalf("member %d: %v", i, err)
		}
		sum, err := eventlog.Digest(context.Background(), m.engine, nil)
		if err != nil {
			c.Fatal(err)
		}
		stored := m.engine.(eventlog.Contents).Stored()
		if i == 0 {
			first, chain = sum, stored.Chain
		}
		m.mu.Lock()
		if sum != first || stored.Chain != chain || !slices.Equal(m.tail, c.members[0].tail) {
			c.Errorf("member %d differs from the first: %+v, chain %x, tail %d; %d", i, stored, chain, m.tail, c.members[0].tail)
		}
		m.mu.Unlock()
		if _, disagreed := m.node.Claims(); len(disagreed) > 0 {
			c.Errorf("member %d disagrees with %d", i, disagreed)
		}
	}
}

// settle returns when all logs have applied the journal.
func (c *cluster) settle() {
	c.Helper()
	for _, m := range c.members {
		if err := m.Barrier(context.Background()); err != nil {
			c.Fatal(err)
		}
	}
}

// ids are the events of /realtime that a log has.
func (c *cluster) ids(m *member) (ids []uint64) {
	c.Helper()
	err := m.engine.(eventlog.Contents).Events(context.Background(), "", func(e *eventlog.Event) error {
		ids = append(ids, e.ID)
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	return ids
}

func eventOf(data string) eventlog.Event { return eventlog.Event{Name: "e", Data: []byte(data)} }

func one(data string) *eventlog.Request {
	return &eventlog.Request{Events: []eventlog.Event{eventOf(data)}}
}

// put appends an event.
func (c *cluster) put(m *member, data string) uint64 {
	c.Helper()
	id, err := m.Append(context.Background(), one(data))
	if err != nil {
		c.Fatal(err)
	}
	return id
}

// outcomeOf is what a publisher learns of its request, without ids: they depend on the time.
func outcomeOf(first uint64, err error, r *eventlog.Request) string {
	text := fmt.Sprint(first != 0, " ", r.Sizes)
	for i := range r.Events {
		e := &r.Events[i]
		if err == nil && e.ID != 0 && first != 0 && e.ID != first+uint64(i) {
			text += fmt.Sprintf(" event %d has the id %d, the first is %d", i, e.ID, first)
		}
		text += fmt.Sprint(" ", e.Seq, e.Drops)
	}
	if r.Once != nil {
		text += fmt.Sprint(" replayed ", r.Once.Replayed)
	}
	var expect *eventlog.ExpectError
	if errors.As(err, &expect) {
		return text + fmt.Sprint(" expect ", expect.Index, expect.Last != 0)
	}
	return text + fmt.Sprintf(" %v", err)
}

func TestSharedIsAsOne(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.addBoth()
	c.add(nil)
	alone := openMemory(t)
	room := func(op eventlog.Op, key, data string) eventlog.Event {
		return eventlog.Event{Space: "$room/a", Name: "push", Op: op, Key: key, Data: []byte(data)}
	}
	in := func(stream, key string) eventlog.Event {
		return eventlog.Event{Name: "e", Stream: stream, Key: key, Data: []byte("1")}
	}
	once := func(body byte) *eventlog.Once {
		return &eventlog.Once{Key: [16]byte{1}, Body: [32]byte{body}, MostInAll: 10, MostPerOwner: 10}
	}
	stored := make([]int, 3)
	requests := []func() *eventlog.Request{
		func() *eventlog.Request { return one("1") },
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{eventOf("2"), in("s", "k")}}
		},
		func() *eventlog.Request { return &eventlog.Request{Events: []eventlog.Event{in("s", "k")}} },
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{in("s", "")}, Expect: []eventlog.Expectation{{}}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{in("t", "")}, Expect: []eventlog.Expectation{{}}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{room(eventlog.Append, "k", "1")}}
		},
		func() *eventlog.Request { return &eventlog.Request{Make: "$room/a"} },
		func() *eventlog.Request { return &eventlog.Request{Make: "$room/a"} },
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{room(eventlog.Append, "k", "1"), room(eventlog.Append, "k", "2"), room(eventlog.Relay, "k", "3")}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{room(eventlog.Replace, "k", "4"), room(eventlog.Append, "l", "5")}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{room(eventlog.Append, "m", "6")}, Bound: &eventlog.Bound{Keys: 2}}
		},
		func() *eventlog.Request {
			e := room(eventlog.Compact, "k", "7")
			e.Seq = 4
			return &eventlog.Request{Events: []eventlog.Event{e}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Rows: rowsOf("a", "b"), If: []eventlog.Condition{eventlog.RowIs("a", nil)}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Rows: rowsOf("a"), If: []eventlog.Condition{eventlog.RowIs("a", nil)}}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{eventOf("3")}, Once: once(1)}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{eventOf("3")}, Once: once(1)}
		},
		func() *eventlog.Request {
			return &eventlog.Request{Events: []eventlog.Event{eventOf("4")}, Once: once(2)}
		},
		func() *eventlog.Request { return &eventlog.Request{Edit: &eventlog.Edit{DropRows: []string{"b"}}} },
		func() *eventlog.Request { return &eventlog.Request{Run: true} },
		func() *eventlog.Request { return &eventlog.Request{} },
	}
	for i, request := range requests {
		want := request()
		lone, loneErr := alone.Append(context.Background(), want)
		wanted := outcomeOf(lone, loneErr, want)
		at := i % len(c.members)
		r := request()
		before := stored[at]
		r.Stored = func() { stored[at]++ }
		first, err := c.members[at].Append(context.Background(), r)
		if got := outcomeOf(first, err, r); got != wanted {
			t.Errorf("request %d came to\n%s, alone to\n%s", i, got, wanted)
		}
		if called, should := stored[at]-before, err == nil && (r.Once == nil || !r.Once.Replayed); (called == 1) != should || called > 1 {
			t.Errorf("request %d: Stored was called %d times", i, called)
		}
		c.settle()
	}
	c.end()
	if len(c.members[0].tail) != 11 {
		t.Errorf("the tail got %d", c.members[0].tail)
	}
}
