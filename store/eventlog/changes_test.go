package eventlog_test

import (
	"context"
	"errors"
	"sync"
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

// A change goes on when its sender has given up. Until it ends, others are refused and do nothing.
func TestChangeRunsToItsEnd(t *testing.T) {
	t.Parallel()
	log, gate := gated(t)
	applied := make(chan error, 1)
	change := func(ctx context.Context) (int, error) {
		_, err := log.Append(context.WithoutCancel(ctx), &eventlog.Request{Rows: []eventlog.Row{{Key: "k", Value: []byte("v")}}})
		applied <- err
		return 7, err
	}
	if n, err := eventlog.Change(context.Background(), log, change); n != 7 || err != nil || <-applied != nil {
		t.Fatalf("%d, %v", n, err)
	}
	open := gate.Shut()
	if _, err := eventlog.Change(context.Background(), log, change); !errors.Is(err, eventlog.ErrUnknown) || !errors.Is(err, eventlog.ErrUnavailable) {
		t.Fatal(err)
	}
	if !log.Late() {
		t.Error("the change is not late")
	}
	for range 3 {
		_, err := eventlog.Change(context.Background(), log, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil })
		if !errors.Is(err, eventlog.ErrUnavailable) || errors.Is(err, eventlog.ErrUnknown) {
			t.Error(err)
		}
	}
	if len(applied) != 0 {
		t.Error("it went on before it was stored")
	}
	// A request that is no change gives up as usual.
	if _, err := log.Append(context.Background(), &eventlog.Request{}); !errors.Is(err, eventlog.ErrUnknown) {
		t.Error(err)
	}
	open()
	if err := <-applied; err != nil {
		t.Error(err)
	}
	for log.Late() {
		time.Sleep(time.Millisecond)
	}
	if n, err := eventlog.Change(context.Background(), log, change); n != 7 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// Many changes at once: each one that is stored is applied, even if its sender got ErrUnknown.
func TestChangesAtOnce(t *testing.T) {
	t.Parallel()
	log, gate := gated(t)
	open := gate.Shut()
	var mu sync.Mutex
	stored, unknown := 0, 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := eventlog.Changed(context.Background(), log, func(ctx context.Context) error {
				_, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{{Key: "k", Value: []byte("v")}}})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					stored++
				}
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if !errors.Is(err, eventlog.ErrUnavailable) {
				t.Error(err)
			}
			if errors.Is(err, eventlog.ErrUnknown) {
				unknown++
			}
		})
	}
	all.Wait()
	open()
	if err := log.Close(); err != nil { // Close waits for the changes
		t.Fatal(err)
	}
	if stored != unknown || stored == 0 {
		t.Errorf("%d are stored, and %d senders got ErrUnknown", stored, unknown)
	}
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
