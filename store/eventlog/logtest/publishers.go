package logtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"sluice/store/eventlog"
)

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

// testConcurrent: the tail gets what readers see, in order, before publishers are answered.
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
