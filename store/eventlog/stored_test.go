package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// gated is a log with a short WaitLimit, and the gate of its engine.
func gated(t *testing.T) (*eventlog.Log, *logtest.Gate) {
	t.Helper()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log, gate
}

// Stored is called for a request that was stored after its publisher gave up, and not for a refused one.
func TestStoredIsCalledLate(t *testing.T) {
	t.Parallel()
	log, gate := gated(t)
	stored := make(chan string, 10)
	request := func(name string) *eventlog.Request {
		return &eventlog.Request{Rows: []eventlog.Row{{Key: "k", Value: []byte(name)}}, Stored: func() { stored <- name }}
	}
	if _, err := log.Append(context.Background(), request("a")); err != nil || <-stored != "a" {
		t.Fatal(err)
	}
	refused := request("b")
	refused.If = []eventlog.Condition{eventlog.RowIs("k", []byte("other"))}
	if _, err := log.Append(context.Background(), refused); !errors.Is(err, eventlog.ErrRow) || len(stored) > 0 {
		t.Error(err, len(stored))
	}
	open := gate.Shut()
	gone, leave := context.WithCancel(context.Background())
	leave()
	if _, err := log.Append(gone, request("c")); !errors.Is(err, eventlog.ErrUnknown) || len(stored) > 0 {
		t.Error(err, len(stored))
	}
	open()
	if got := <-stored; got != "c" {
		t.Error(got)
	}
}
