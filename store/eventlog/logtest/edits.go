package logtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/store/eventlog"
)

// testRows: rows are stored with the events of their request or not at all, and survive reopening.
func testRows(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	ctx := context.Background()
	last := uint64(7)
	_, err := log.Append(ctx, &eventlog.Request{
		Events: []eventlog.Event{event("a", "", "s")}, Expect: []eventlog.Expectation{{Last: last}},
		Rows: []eventlog.Row{{Key: "x/refused", Value: []byte("1")}},
	})
	if !errors.As(err, new(*eventlog.ExpectError)) {
		t.Fatal(err)
	}
	for _, r := range [][]eventlog.Row{
		{{Key: "x/1", Value: []byte("one")}, {Key: "x/2", Value: []byte("two")}, {Key: "y", Value: []byte{}}},
		{{Key: "x/2", Value: []byte("zwei")}, {Key: "x/3", Value: []byte("3")}, {Key: "x/3", Value: nil}},
		{{Key: "x/1", Value: nil}},
	} {
		if id, err := log.Append(ctx, &eventlog.Request{Rows: r}); err != nil || id != 0 {
			t.Fatal(id, err)
		}
	}
	look := func() {
		t.Helper()
		var got []string
		if err := log.Rows("x/", func(r eventlog.Row) error { got = append(got, r.Key+"="+string(r.Value)); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, []string{"x/2=zwei"}) {
			t.Errorf("%v", got)
		}
		if v, err := log.Row("y"); err != nil || v == nil {
			t.Errorf("an empty row is no row: %v %v", v, err)
		}
		if v, err := log.Row("x/1"); err != nil || v != nil {
			t.Errorf("%q %v", v, err)
		}
	}
	look()
	closeLog(t, log)
	if o.Durable() {
		log, _ = open(t, o, Config{})
		look()
		closeLog(t, log)
	}
}

// testUnique: if many append with one key at the same time, one succeeds.
func testUnique(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	var group sync.WaitGroup
	var mu sync.Mutex
	won, refused := 0, 0
	for i := range 400 {
		group.Go(func() {
			e := event("a", "", "s")
			e.Key = fmt.Sprint(i % 50)
			_, err := log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{e}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case errors.As(err, new(*eventlog.KeyError)):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if won != 50 || refused != 350 {
		t.Errorf("%d won, %d were refused", won, refused)
	}
	twice := []eventlog.Event{event("a", "", "s"), event("b", "", "s")}
	twice[0].Key, twice[1].Key = "new", "new"
	var taken *eventlog.KeyError
	if _, err := log.Append(context.Background(), &eventlog.Request{Events: twice}); !errors.As(err, &taken) || taken.Index != 1 {
		t.Errorf("the same key twice in a request: %v", err)
	}
	if id, err := log.Find("", "s", "new"); id != 0 || err != nil {
		t.Errorf("what was refused is there: %d %v", id, err)
	}
}

// editModel is the log as lists.
type editModel struct {
	log    *eventlog.Log
	spaces map[string][]eventlog.Event
	next   int
}

func (m *editModel) names() []string {
	var names []string
	for name := range m.spaces {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *editModel) append(rt *rapid.T, request *eventlog.Request) {
	first, err := m.log.Append(context.Background(), request)
	if err != nil {
		rt.Fatal(err)
	}
	for i, e := range request.Events {
		e.ID = first + uint64(i)
		m.spaces[e.Space] = append(m.spaces[e.Space], e)
	}
}

// testEdits: after any appends, removals, moves to another stream, drops and renames, the log has what the lists have,
// read as a whole, by stream, by channel and by key.
func testEdits(t *testing.T, o Opener) {
	rapid.Check(t, func(rt *rapid.T) {
		opener := o.Fresh()
		log, _ := open(rt, opener, Config{})
		m := &editModel{log: log, spaces: map[string][]eventlog.Event{}}
		space := rapid.SampledFrom([]string{"$db/a", "$db/b"})
		stream := rapid.SampledFrom([]string{"s", "n/s", "n/t", "n%2Ft", "\x00x"})
		pick := func(rt *rapid.T) []eventlog.Event {
			name := space.Draw(rt, "space")
			var some []eventlog.Event
			for _, e := range m.spaces[name] {
				if rapid.IntRange(0, 2).Draw(rt, "picked") == 0 {
					some = append(some, e)
				}
			}
			return some
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				r := &eventlog.Request{}
				name := space.Draw(rt, "space")
				for range rapid.IntRange(1, 4).Draw(rt, "n") {
					m.next++
					r.Events = append(r.Events, eventlog.Event{
						Space: name, Name: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "name"), Stream: stream.Draw(rt, "stream"),
						Key: fmt.Sprint(m.next), Meta: []byte(fmt.Sprintf(`{"n":%d}`, m.next)), Data: []byte("1"),
					})
				}
				m.append(rt, r)
			},
			"remove": func(rt *rapid.T) {
				some := pick(rt)
				m.append(rt, &eventlog.Request{Edit: &eventlog.Edit{Remove: some}})
				for _, gone := range some {
					m.spaces[gone.Space] = slices.DeleteFunc(m.spaces[gone.Space], func(e eventlog.Event) bool { return e.ID == gone.ID })
				}
			},
			"move": func(rt *rapid.T) {
				edit := &eventlog.Edit{}
				for _, e := range pick(rt) {
					to := e
					to.Stream, to.Meta = stream.Draw(rt, "to"), []byte("moved")
					edit.Replace = append(edit.Replace, eventlog.Replacement{Old: e, New: to})
				}
				m.append(rt, &eventlog.Request{Edit: edit})
				for _, r := range edit.Replace {
					i := slices.IndexFunc(m.spaces[r.New.Space], func(e eventlog.Event) bool { return e.ID == r.New.ID })
					m.spaces[r.New.Space][i] = r.New
				}
			},
			"drop": func(rt *rapid.T) {
				name := space.Draw(rt, "space")
				m.append(rt, &eventlog.Request{Edit: &eventlog.Edit{Drop: []string{name}}})
				delete(m.spaces, name)
			},
			"rename": func(rt *rapid.T) {
				from, to := "$db/a", "$db/c"
				if len(m.spaces[to]) > 0 {
					from, to = to, from
				}
				if len(m.spaces[to]) > 0 {
					return // both exist
				}
				m.append(rt, &eventlog.Request{Edit: &eventlog.Edit{Drop: []string{to}}})
				m.append(rt, &eventlog.Request{Edit: &eventlog.Edit{Rename: [2]string{from, to}}})
				m.spaces[to] = m.spaces[from]
				delete(m.spaces, from)
				for i := range m.spaces[to] {
					m.spaces[to][i].Space = to
				}
			},
			"reopen": func(rt *rapid.T) {
				if !opener.Durable() {
					return // not durable
				}
				closeLog(rt, m.log)
				m.log, _ = open(rt, opener, Config{})
			},
			"": func(rt *rapid.T) { m.check(rt) },
		})
		closeLog(rt, m.log)
	})
}

func (m *editModel) check(rt *rapid.T) {
	for _, name := range append(m.names(), "$db/none") {
		want := m.spaces[name]
		m.same(rt, everything(name), want)
		streams := map[string]*eventlog.StreamState{}
		for i, e := range want {
			s := streams[e.Stream]
			if s == nil {
				s = &eventlog.StreamState{Stream: e.Stream, First: e.ID}
				streams[e.Stream] = s
			}
			s.Last, s.Count = e.ID, s.Count+1
			if id, err := m.log.Find(name, e.Stream, e.Key); id != e.ID || err != nil {
				rt.Fatalf("the key %s of %q is at %d, not at %d (%v)", e.Key, e.Stream, id, e.ID, err)
			}
			if i == 0 {
				if id, err := m.log.Find(name, e.Stream+"no", e.Key); id != 0 || err != nil {
					rt.Fatalf("a key of another stream: %d %v", id, err)
				}
			}
		}
		for _, x := range []string{"x", "y"} {
			q := eventlog.Query{Space: name, Channels: channel.NewSet(channel.Pattern{Space: name, Left: channel.Side{Kind: channel.Exact, Text: x}})}
			m.same(rt, q, filter(want, func(e eventlog.Event) bool { return e.Name == x }))
		}
		var listed []eventlog.StreamState
		for _, s := range streams {
			listed = append(listed, *s)
			q := everything(name)
			q.Stream = s.Stream
			m.same(rt, q, filter(want, func(e eventlog.Event) bool { return e.Stream == s.Stream }))
		}
		slices.SortFunc(listed, func(a, b eventlog.StreamState) int { return cmp.Compare(a.Stream, b.Stream) })
		m.sameStreams(rt, name, "", listed)
		m.sameStreams(rt, name, "n/", slices.DeleteFunc(listed, func(s eventlog.StreamState) bool { return !strings.HasPrefix(s.Stream, "n/") }))
	}
}

func filter(events []eventlog.Event, keep func(eventlog.Event) bool) (kept []eventlog.Event) {
	for _, e := range events {
		if keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

func (m *editModel) same(rt *rapid.T, q eventlog.Query, want []eventlog.Event) {
	got := all(rt, m.log, q, 0, 3)
	same := slices.EqualFunc(got, want, func(a, b eventlog.Event) bool {
		return a.ID == b.ID && a.Name == b.Name && a.Stream == b.Stream && a.Key == b.Key && string(a.Meta) == string(b.Meta) && a.Space == b.Space
	})
	if !same {
		rt.Fatalf("%s %q: got %+v, want %+v", q.Channels, q.Stream, got, want)
	}
}

func (m *editModel) sameStreams(rt *rapid.T, space, prefix string, want []eventlog.StreamState) {
	var got []eventlog.StreamState
	for after := ""; ; {
		some, err := m.log.Streams(context.Background(), space, prefix, after, 2)
		if err != nil {
			rt.Fatal(err)
		}
		got = append(got, some...)
		if len(some) < 2 {
			break
		}
		after = some[len(some)-1].Stream
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("streams of %s with %q: got %+v, want %+v", space, prefix, got, want)
	}
}
