package pebble

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
)

// filled is an engine with n events, event(i) each, in groups of 500.
func filled(t rapid.TB, o Options, n int, event func(i int) eventlog.Event) (*Engine, []eventlog.Event) {
	t.Helper()
	o.Dir, o.FS = "log", vfs.NewMem()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	last := e.clock.Now()
	var all []eventlog.Event
	for i := range n {
		ev := event(i)
		ev.ID, ev.Data = last+uint64(i)+1, fmt.Appendf(nil, `{"n":%d}`, i)
		all = append(all, ev)
	}
	for group := range slices.Chunk(all, 500) {
		if err := e.Commit(&eventlog.Group{Events: group, Applied: eventlog.Applied{Last: group[len(group)-1].ID}}); err != nil {
			t.Fatal(err)
		}
	}
	return e, all
}

// retain cuts what is due, as the log does.
func retain(t rapid.TB, e *Engine, last uint64) {
	t.Helper()
	trims, err := e.Trims(context.Background())
	if err == nil && len(trims) > 0 {
		err = e.Commit(&eventlog.Group{Edit: &eventlog.Edit{Trim: trims}, Applied: eventlog.Applied{Last: last}})
	}
	if err != nil {
		t.Error(err)
	}
}

// readAll reads a query to the end. It also returns the number of steps.
func readAll(t rapid.TB, e *Engine, q *eventlog.Query, after, upto uint64, limit int) (got []eventlog.Event, steps int) {
	t.Helper()
	for after < upto {
		p, err := e.Read(context.Background(), q, after, upto, limit)
		if err != nil {
			t.Fatal(err)
		}
		if p.Reached <= after || p.Reached > max(upto, p.Removed) || len(p.Events) > limit {
			t.Fatalf("after %d up to %d it reached %d, with %d events of %d", after, upto, p.Reached, len(p.Events), limit)
		}
		got = append(got, p.Events...)
		after = p.Reached
		steps++
	}
	return got, steps
}

// TestReadWays: for all sizes of segments and steps, whatever retention has dropped, and by index, by scan or by a mix
// of both, a query gives what a simple filter gives.
func TestReadWays(t *testing.T) {
	t.Parallel()
	patterns := []string{"*", "*:*", "put:c1", "PUT:c*", "post:*", "*:c2", "*:c1*", "*:d*", "chat-*", "chat-1*:c*", "chat-*:c3", "goal", "goal:d", "P*", "none:*"}
	rapid.Check(t, func(t *rapid.T) {
		bound := eventlog.Retention{Bytes: rapid.SampledFrom([]int64{0, 600, 5_000, 50_000}).Draw(t, "bytes")}
		seed := rapid.IntRange(1, 1_000).Draw(t, "seed")
		e, all := filled(t, Options{Retain: func(string) eventlog.Retention { return bound }}, rapid.IntRange(1, 1500).Draw(t, "events"), func(i int) eventlog.Event {
			n := (i + seed) * (i + 7) // some are close together, some far apart
			return eventlog.Event{
				Name:       []string{"put", "post", "goal", "P", fmt.Sprint("chat-", n%23)}[n%5],
				Collection: []string{"c1", "c2", "c", "d", "c12", "c3", "", "dx"}[n/5%8],
				Stream:     []string{"", "s", fmt.Sprint("t", n%11)}[n/40%3],
			}
		})
		defer closeEngine(t, e)
		if rapid.Bool().Draw(t, "drop") {
			retain(t, e, all[len(all)-1].ID)
		}
		for range 10 {
			set := channeltest.Set(rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 1, 4, rapid.ID).Draw(t, "set")...)
			q := &eventlog.Query{Channels: set, Stream: rapid.SampledFrom([]string{"", "", "s", "t3"}).Draw(t, "stream")}
			e.bounds = bounds{
				records:  rapid.SampledFrom([]int{1, 50, measured.records}).Draw(t, "records"),
				segments: rapid.SampledFrom([]int{1, 3, measured.segments}).Draw(t, "segments"),
				seeks:    rapid.SampledFrom([]int{4, measured.seeks}).Draw(t, "seeks"),
				bytes:    rapid.SampledFrom([]int{1, 100, measured.bytes}).Draw(t, "page"),
				ids:      rapid.SampledFrom([]int{1, 5, measured.ids}).Draw(t, "ids"),
				sparse:   rapid.SampledFrom([]int{0, 3, measured.sparse, 1 << 30}).Draw(t, "sparse"), // 0: the index always
			}
			after := all[rapid.IntRange(0, len(all)-1).Draw(t, "after")].ID - 1
			upto := all[rapid.IntRange(0, len(all)-1).Draw(t, "up to")].ID
			got, _ := readAll(t, e, q, after, upto, rapid.SampledFrom([]int{1, 7, 256}).Draw(t, "limit"))
			sameAsNaive(t, e, q, all, got, after, upto)
		}
	})
}

func closeEngine(t rapid.TB, e *Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// sameAsNaive ignores events that the engine may have dropped by itself.
func sameAsNaive(t rapid.TB, e *Engine, q *eventlog.Query, all, got []eventlog.Event, after, upto uint64) {
	t.Helper()
	state, err := e.State("")
	if err != nil {
		t.Fatal(err)
	}
	describe := func(events []eventlog.Event, want func(*eventlog.Event) bool) (out []string) {
		for i := range events {
			if ev := &events[i]; ev.ID > state.Removed && want(ev) {
				out = append(out, fmt.Sprintf("%d %s:%s %s %s", ev.ID, ev.Name, ev.Collection, ev.Stream, ev.Data))
			}
		}
		return out
	}
	want := describe(all, func(ev *eventlog.Event) bool { return ev.ID > after && ev.ID <= upto && q.Match(ev) })
	if have := describe(got, func(*eventlog.Event) bool { return true }); !slices.Equal(have, want) {
		t.Fatalf("%s of stream %q with %+v: got %q, want %q", q.Channels, q.Stream, e.bounds, have, want)
	}
}

// TestSparseByIndex: rare events are found through the index, in few steps however long the log is. A scan reads 4,096
// records a step.
func TestSparseByIndex(t *testing.T) {
	t.Parallel()
	const events = 30_000
	for name, retain := range map[string]eventlog.Retention{"one segment": {}, "many segments": {Bytes: events * 30}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, all := filled(t, Options{Retain: func(string) eventlog.Retention { return retain }}, events, func(i int) eventlog.Event {
				ev := eventlog.Event{Name: "put", Collection: "many"}
				if i%5_000 == 77 {
					ev = eventlog.Event{Name: "goal-1", Collection: "few", Stream: "rare"}
				}
				return ev
			})
			defer closeEngine(t, e)
			upto := all[events-1].ID
			for _, tt := range []struct {
				pattern, stream string
				want            int
			}{
				{"goal-1:few", "", 6}, {"goal-1", "", 6}, {"goal-*", "", 6}, {"*:few", "", 6}, {"*:f*", "", 6}, {"*", "rare", 6},
				{"put:none", "", 0}, {"absent", "", 0}, {"absent-*", "", 0}, {"*:none", "", 0}, {"*", "none", 0},
			} {
				set := channeltest.Set(tt.pattern)
				got, steps := readAll(t, e, &eventlog.Query{Channels: set, Stream: tt.stream}, 0, upto, 1000)
				if len(got) != tt.want || steps > 2 {
					t.Errorf("%s %s: %d events in %d steps", tt.pattern, tt.stream, len(got), steps)
				}
			}
		})
	}
}

// TestReadDuringDrops: a reader behind retention learns from Removed about everything that it did not get.
func TestReadDuringDrops(t *testing.T) {
	t.Parallel()
	bound := eventlog.Retention{Bytes: 20_000}
	e, all := filled(t, Options{Retain: func(string) eventlog.Retention { return bound }}, 1, func(int) eventlog.Event { return eventlog.Event{Name: "a"} })
	defer closeEngine(t, e)
	last := all[0].ID
	written := make(chan struct{})
	go func() {
		defer close(written)
		for next := last + 1; next <= last+20_000; next += 100 {
			g := &eventlog.Group{Applied: eventlog.Applied{Last: next + 99}}
			for i := range uint64(100) {
				g.Events = append(g.Events, eventlog.Event{ID: next + i, Name: "a", Data: []byte(`"0123456789"`)})
			}
			if err := e.Commit(g); err != nil {
				t.Error(err)
				return
			}
			retain(t, e, next+99)
		}
	}()
	defer func() { <-written }()
	q := &eventlog.Query{Channels: channel.Everything()}
	for at := last; at < last+20_000; {
		// Ids have no holes here, so every id is either read or removed.
		p, err := e.Read(context.Background(), q, at, at+1000, 300)
		if err != nil {
			t.Fatal(err)
		}
		at = max(at, p.Removed)
		for _, ev := range p.Events {
			if ev.ID != at+1 {
				t.Fatalf("%d follows %d, removed is %d", ev.ID, at, p.Removed)
			}
			at = ev.ID
		}
		if len(p.Events) == 0 {
			select {
			case <-written:
				if state, err := e.State(""); err != nil || state.Removed == 0 {
					t.Fatalf("nothing was removed: %+v %v", state, err)
				}
			default:
			}
		}
	}
}

// TestRunsBounded: of very many runs, the newest are remembered.
func TestRunsBounded(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	open := func() *Engine {
		t.Helper()
		e, err := Open(Options{Dir: "log", FS: fs, Source: logtest.SourceOf(func() time.Time { return now })})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	begin := func(e *Engine) {
		t.Helper()
		last := e.Applied().Last
		run := &eventlog.Run{Recovered: last, Start: e.clock.Now()}
		if err := e.Commit(&eventlog.Group{Run: run, Applied: eventlog.Applied{Last: run.Start}}); err != nil {
			t.Fatal(err)
		}
	}
	e := open()
	b := e.db.NewBatch()
	for n := range uint64(maxRuns) {
		row := appendUint64(appendUint64(nil, n*10), n*10+5)
		if err := b.Set(runKey(n), row, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.commit(b); err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)
	var first []uint64
	for range 3 {
		e = open()
		begin(e)
		runs := e.Runs()
		if len(runs) > maxRuns || runs[len(runs)-1].Start <= runs[len(runs)-2].Start {
			t.Fatalf("%d runs, the last %+v", len(runs), runs[len(runs)-2:])
		}
		first = append(first, runs[0].Start)
		closeEngine(t, e)
	}
	if !slices.Equal(first, []uint64{15, 25, 35}) {
		t.Errorf("the oldest remembered runs start at %d", first)
	}
}
