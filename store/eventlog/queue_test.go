package eventlog_test

import (
	"context"
	"errors"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// The bytes that wait are bounded, and one owner may have half of them. Conditions count too: a request that removes
// documents has only their old texts.
func TestQueueBytes(t *testing.T) {
	t.Parallel()
	engine := &slowEngine{memory.Open(memory.Options{}), make(chan struct{}), make(chan struct{})}
	log, err := eventlog.Open(engine, eventlog.Options{QueueBytes: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{{Name: "slow", Data: []byte("0")}}})
		done <- err
	}()
	<-engine.begun
	large := eventlog.Row{Key: "k", Value: make([]byte, 3<<10)}
	condition := []eventlog.Condition{eventlog.RowIs("k", nil)} // with one, a request is no barrier
	gone, leave := context.WithCancel(context.Background())
	leave()
	for i, r := range []*eventlog.Request{{Rows: []eventlog.Row{{Key: "k"}}}, {Rows: []eventlog.Row{large}, If: condition}, {Rows: []eventlog.Row{large}, If: condition}, {Rows: []eventlog.Row{large}}} {
		_, err := log.Append(gone, r) // queued, or refused
		if full := errors.Is(err, eventlog.ErrUnavailable); full != (i > 1) {
			t.Errorf("%d: %v", i, err)
		}
	}
	engine.go_ <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
