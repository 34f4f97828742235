package memory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type opener struct{}

func (opener) Open(_ logtest.TB, c logtest.Config) eventlog.Engine {
	return memory.Open(memory.Options{Retain: c.Retain, Source: c.Source})
}

func (opener) Durable() bool { return false }

func (opener) Fresh() logtest.Opener { return opener{} }

func TestConformance(t *testing.T) {
	logtest.Run(t, func(*testing.T) logtest.Opener { return opener{} })
}

// Rows and entries are refused before they fill the memory. Requests that remove something are always accepted.
func TestFull(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{MaxBytes: 1 << 20}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	ctx, large := context.Background(), bytes.Repeat([]byte("x"), 10_000)
	fill := func(make func(i int) *eventlog.Request) (n int) {
		t.Helper()
		for ; n < 200; n++ {
			if _, err := log.Append(ctx, make(n)); errors.Is(err, eventlog.ErrUnavailable) {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	rows := func(i int) *eventlog.Request {
		return &eventlog.Request{Rows: []eventlog.Row{{Key: fmt.Sprint(i), Value: large}}}
	}
	entries := func(i int) *eventlog.Request {
		return &eventlog.Request{Events: []eventlog.Event{{Space: "$room/a", Name: "push", Op: eventlog.Append, Key: fmt.Sprint(i), Data: large}}}
	}
	logtest.MakeKeyed(t, log, "$room/a")
	room := fill(rows)
	if room < 70 || room > 78 {
		t.Errorf("%d rows of 10,000 bytes", room)
	}
	if n := fill(entries); n != 0 {
		t.Errorf("%d entries beside them", n)
	}
	if n := fill(func(int) *eventlog.Request {
		return &eventlog.Request{Events: []eventlog.Event{{Name: "e", Data: large}}}
	}); n != 200 {
		t.Errorf("%d events: the oldest make room for them", n)
	}
	if _, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{{Key: "0"}, {Key: "1"}}}); err != nil {
		t.Error("taking away:", err)
	}
	if n := fill(entries); n < 1 || n > 2 {
		t.Errorf("%d entries in the place of two rows", n)
	}
	if err := logtest.DropKeyed(log, "$room/a"); err != nil {
		t.Error(err)
	}
	if n := fill(rows); n != room { // two are new; the others do not grow
		t.Errorf("%d rows, before it were %d", n, room)
	}
}
