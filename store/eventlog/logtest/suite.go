package logtest

import (
	"context"
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

