package logtest

import (
	"context"
	"testing"

	"sluice/channel"
	"sluice/store/eventlog"
)

// Config is what a test asks of an engine.
type Config struct {
	Retain func(space string) eventlog.Retention
	Source eventlog.Source
}

// Opener opens engines of one kind. A test calls Open several times on one Opener, each time after the engine before
// was closed. A Durable engine must then have what was committed.
type Opener interface {
	Open(t TB, c Config) eventlog.Engine
	Durable() bool
	Fresh() Opener // another Opener, with nothing stored
}

// TB is what testing.T and rapid.T have in common.
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// suite has all tests but the models.
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
	"names":                testNames,
	"rows":                 testRows,
	"condition races":      testConditionRaces,
	"long views":           testLongView,
	"unique keys":          testUnique,
	"bound":                testBound,
	"digest":               testDigest,
	"weights":              testWeights,
	"retract":              testRetract,
	"retract refused":      testRetractRefused,
	"retract streams":      testRetractStream,
	"retract races":        testRetractRaces,
	"closed":               testClosed,
	"concurrent publishes": testConcurrent,
}

// models compare an engine with lists. They take most of the time.
var models = map[string]func(*testing.T, Opener){"model": testModel, "edits": testEdits, "keyed": testKeyed, "views": testViews, "clocks": testClocks}

// Run runs the suite. make returns an Opener with nothing stored for each test.
func Run(t *testing.T, make func(t *testing.T) Opener) {
	RunBriefly(t, make)
	run(t, models, make)
}

// RunBriefly leaves out the models. It is for an engine that differs from another one, which runs them, only in what
// they do not test.
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

// drop cuts at once what retention would cut later.
func drop(t TB, l *eventlog.Log) {
	t.Helper()
	if err := l.Retain(context.Background()); err != nil {
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

// all reads everything of a query after an id, in steps.
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
