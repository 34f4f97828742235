package logtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
)

// Config is what a test wants of an engine.
type Config struct {
	Retain func(space string) eventlog.Retention
	Source eventlog.Source
}

// Opener opens engines of one kind. Open is called several times on one Opener, each time after the
// engine before was closed: an engine that Keeps must then have what was committed. Drop makes an
// engine drop now what it would drop in time.
type Opener interface {
	Open(t TB, c Config) eventlog.Engine
	Keeps() bool
	Drop(t TB, e eventlog.Engine)
	Fresh() Opener // another one, on nothing
}

// TB is what testing.T and rapid.T have in common.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// suite are all tests but the models.
var suite = map[string]func(*testing.T, Opener){
	"ids grow":             testIDs,
	"batches are whole":    testBatches,
	"reopened":             testReopen,
	"locate":               testLocate,
	"expect":               testExpect,
	"expect races":         testExpectRace,
	"idempotency":          testIdempotency,
	"one of many":          testOneOfMany,
	"age":                  testAge,
	"bytes":                testBytes,
	"spaces":               testSpaces,
	"rows":                 testRows,
	"condition races":      testConditionRaces,
	"long views":           testLongView,
	"unique keys":          testUnique,
	"bound":                testBound,
	"weights":              testWeights,
	"closed":               testClosed,
	"concurrent publishes": testConcurrent,
}

// models hold an engine against lists. They take most of the time.
var models = map[string]func(*testing.T, Opener){"model": testModel, "edits": testEdits, "keyed": testKeyed, "views": testViews, "clocks": testClocks}

// Run runs the suite; make gives an Opener on nothing for each test.
func Run(t *testing.T, make func(t *testing.T) Opener) {
	RunBriefly(t, make)
	run(t, models, make)
}

// RunBriefly leaves the models out, for an engine that differs from one that they run over in what they do not
// look at.
func RunBriefly(t *testing.T, make func(t *testing.T) Opener) { run(t, suite, make) }

func run(t *testing.T, tests map[string]func(*testing.T, Opener), make func(t *testing.T) Opener) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

func open(t TB, o Opener, c Config) (*eventlog.Log, eventlog.Engine) {
	t.Helper()
	engine := o.Open(t, c)
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return log, engine
}

func closeLog(t TB, l *eventlog.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func event(name, collection, stream string) eventlog.Event {
	return eventlog.Event{Name: name, Collection: collection, Stream: stream, Data: []byte(`{"a":1}`)}
}

func put(t TB, l *eventlog.Log, events ...eventlog.Event) uint64 {
	t.Helper()
	first, err := l.Append(context.Background(), &eventlog.Request{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// all reads everything of a query behind an id, in steps.
func all(t TB, l *eventlog.Log, q eventlog.Query, after uint64, limit int) []eventlog.Event {
	t.Helper()
	var out []eventlog.Event
	for after < l.Settled() {
		p, err := l.Read(context.Background(), &q, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if p.Reached <= after {
			t.Fatalf("a read after %d came no further (%d)", after, p.Reached)
		}
		if len(p.Events) > limit {
			t.Fatalf("%d events, the limit is %d", len(p.Events), limit)
		}
		out = append(out, p.Events...)
		after = p.Reached
	}
	return out
}

func everything(space string) eventlog.Query {
	if space == "" {
		return eventlog.Query{Channels: channel.Everything()}
	}
	return eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space})}
}

func testIDs(t *testing.T, o Opener) {
	clock := NewClock()
	last := uint64(0)
	for round := range 3 {
		log, _ := open(t, o, Config{Source: clock.Source()})
		if log.Settled() <= last && o.Keeps() {
			t.Fatalf("round %d starts at %d, not above %d", round, log.Settled(), last)
		}
		last = log.Settled()
		for range 20 {
			id := put(t, log, event("goal", "", ""))
			if id <= last {
				t.Fatalf("id %d after %d", id, last)
			}
			if now := uint64(clock.Now().UnixMicro()); id < now {
				t.Fatalf("id %d lies before its time %d", id, now)
			}
			last = id
			clock.Step(-time.Second)
		}
		closeLog(t, log)
		if !o.Keeps() {
			return
		}
	}
}

func testBatches(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	first := put(t, log, event("a", "", ""), event("b", "", ""), event("c", "x", "s"))
	got := all(t, log, everything(""), 0, 2)
	if len(got) != 3 {
		t.Fatalf("%d events", len(got))
	}
	for i, e := range got {
		if e.ID != first+uint64(i) || e.Name != string(rune('a'+i)) || string(e.Data) != `{"a":1}` {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if got[2].Collection != "x" || got[2].Stream != "s" {
		t.Errorf("fields are lost: %+v", got[2])
	}
}

func testReopen(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	put(t, log, event("a", "", ""), event("b", "c", "s"))
	closeLog(t, log)
	if !o.Keeps() {
		return
	}
	log, _ = open(t, o, Config{})
	defer closeLog(t, log)
	if got := all(t, log, everything(""), 0, 10); len(got) != 2 || got[1].Stream != "s" {
		t.Errorf("after reopening: %+v", got)
	}
}

func locate(t TB, l *eventlog.Log, id string) eventlog.Start {
	t.Helper()
	s, err := l.Locate("", id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testLocate(t *testing.T, o Opener) {
	clock := NewClock()
	log, _ := open(t, o, Config{Source: clock.Source()})
	start := log.Settled()
	clock.Add(time.Second)
	id := put(t, log, event("a", "", ""))
	check := func(what string, after uint64, want eventlog.Start) {
		t.Helper()
		if got := locate(t, log, fmt.Sprint(after)); got != want {
			t.Errorf("%s (%d): got %+v, want %+v", what, after, got, want)
		}
	}
	check("below the first run", start-1, eventlog.Start{After: id, Gap: "unknown", Oldest: id})
	check("the first run's start", start, eventlog.Start{After: start})
	check("a hole", start+1, eventlog.Start{After: start + 1})
	check("newest", id, eventlog.Start{After: id})
	check("future", id+1, eventlog.Start{After: id, Gap: "unknown", Oldest: id})
	for _, text := range []string{"x", "", "-1", "1e3", "12345678901234567", "٣"} {
		if got := locate(t, log, text); got.Gap != "unknown" || got.After != id {
			t.Errorf("%q: %+v", text, got)
		}
	}
	closeLog(t, log)
	if !o.Keeps() {
		return
	}
	clock.Add(time.Second)
	log, _ = open(t, o, Config{Source: clock.Source()})
	defer closeLog(t, log)
	run := log.Settled()
	check("recovered", id, eventlog.Start{After: id})
	check("just lost", id+1, eventlog.Start{After: run, Gap: "lost", Oldest: id})
	check("last lost", run-1, eventlog.Start{After: run, Gap: "lost", Oldest: id})
	check("the run's start", run, eventlog.Start{After: run})
	check("future again", run+1, eventlog.Start{After: run, Gap: "unknown", Oldest: id})
}

func testExpect(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	try := func(expect []eventlog.Expectation, events ...eventlog.Event) (uint64, uint64) {
		t.Helper()
		id, err := log.Append(context.Background(), &eventlog.Request{Events: events, Expect: expect})
		var failed *eventlog.ExpectError
		if errors.As(err, &failed) {
			return 0, failed.Last
		}
		if err != nil {
			t.Fatal(err)
		}
		return id, 0
	}
	none := []eventlog.Expectation{{Last: 0}}
	id, _ := try(none, event("a", "", "s"))
	if id == 0 {
		t.Fatal("a new stream was refused")
	}
	if _, last := try(none, event("a", "", "s")); last != id {
		t.Errorf("the last id told is %d, not %d", last, id)
	}
	if other, _ := try(none, event("a", "", "t")); other == 0 {
		t.Error("another stream was refused")
	}
	// Each condition of a batch sees the events before it; the second here does not hold.
	before := log.Settled()
	if _, last := try([]eventlog.Expectation{{Index: 0, Last: id}, {Index: 1, Last: id}}, event("a", "", "s"), event("a", "", "s")); last == 0 {
		t.Error("a batch whose second condition fails was stored")
	}
	if log.Settled() != before {
		t.Error("something of a refused batch was stored")
	}
	if ok, _ := try([]eventlog.Expectation{{Index: 1, Last: 0}}, event("a", "", "u"), event("a", "", "v")); ok == 0 {
		t.Error("a condition on the second event was held against the first")
	}
	closeLog(t, log)
	if o.Keeps() {
		log, _ = open(t, o, Config{})
		if again, _ := try([]eventlog.Expectation{{Last: id}}, event("a", "", "s")); again == 0 {
			t.Error("the head was lost on reopening")
		}
		closeLog(t, log)
	}
}

// testExpectRace: many writers append to one stream, each on the condition of what it saw. Exactly
// one wins each turn.
func testExpectRace(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	const writers, turns = 8, 30
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			last := uint64(0)
			for won := 0; won < turns; {
				id, err := log.Append(context.Background(), &eventlog.Request{
					Events: []eventlog.Event{event("a", fmt.Sprint(last), "s")}, Expect: []eventlog.Expectation{{Last: last}}})
				var failed *eventlog.ExpectError
				switch {
				case errors.As(err, &failed):
					last = failed.Last
				case err != nil:
					t.Error(err)
					return
				default:
					last = id
					won++
				}
			}
		})
	}
	group.Wait()
	last := uint64(0)
	for _, e := range all(t, log, eventlog.Query{Channels: channel.Everything(), Stream: "s"}, 0, 100) {
		if e.Collection != fmt.Sprint(last) {
			t.Fatalf("event %d was accepted on %s, the last was %d", e.ID, e.Collection, last)
		}
		last = e.ID
	}
}

func testSpaces(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	other := event("a", "", "s")
	other.Space = "$db/x"
	put(t, log, event("a", "", "s"))
	id := put(t, log, other)
	check := func() {
		t.Helper()
		if got := all(t, log, everything(""), 0, 10); len(got) != 1 {
			t.Errorf("/realtime has %d events", len(got))
		}
		if got := all(t, log, everything("$db/x"), 0, 10); len(got) != 1 || got[0].ID != id || got[0].Space != "$db/x" {
			t.Errorf("the other space has %+v", got)
		}
	}
	check()
	closeLog(t, log)
	if o.Keeps() {
		log, _ = open(t, o, Config{})
		check()
		closeLog(t, log)
	}
}

func testClosed(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	closeLog(t, log)
	closeLog(t, log)
	if _, err := log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{event("a", "", "")}}); !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
	if err := log.Err(); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Err: %v", err)
	}
}

// testConcurrent: the tail sees what readers see, in order, before publishers are answered.
func testConcurrent(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	var mu sync.Mutex
	var tailed []uint64
	log.Tail(func(events []eventlog.Event, _ uint64) {
		mu.Lock()
		defer mu.Unlock()
		for i := range events {
			tailed = append(tailed, events[i].ID)
		}
	})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 50 {
				id := put(t, log, event("a", "b", "s"), event("a", "b", ""))
				mu.Lock()
				if tailed[len(tailed)-1] < id+1 {
					t.Error("a publisher was answered before the tail")
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	got := all(t, log, everything(""), 0, 333)
	if len(got) != 1600 || len(tailed) != 1600 {
		t.Fatalf("%d events read, %d tailed", len(got), len(tailed))
	}
	for i := range got {
		if got[i].ID != tailed[i] || i > 0 && got[i].ID <= got[i-1].ID {
			t.Fatalf("place %d: %d read, %d tailed", i, got[i].ID, tailed[i])
		}
	}
}
