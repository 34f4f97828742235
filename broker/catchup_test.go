package broker_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"sluice/broker"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

func openPebble(t testing.TB) *broker.Broker {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return broker.New(log, broker.Options{})
}

// flood publishes n events, one in 10,000 of them named rare, and returns the position before them.
func flood(t testing.TB, b *broker.Broker, n int) uint64 {
	t.Helper()
	before := b.Log().Settled()
	for done := 0; done < n; {
		events := make([]eventlog.Event, min(1000, n-done))
		for i := range events {
			events[i] = eventlog.Event{Name: "common", Collection: fmt.Sprint("c", i%100), Data: []byte(`{"text":"some words that stand for a payload"}`)}
			if (done+i)%10_000 == 0 {
				events[i].Name = "rare"
			}
		}
		if _, err := b.Log().Append(context.Background(), &eventlog.Request{Events: events}); err != nil {
			t.Fatal(err)
		}
		done += len(events)
	}
	return before
}

// drain reads to the end with one bounded buffer, as a writer does, and counts.
func drain(t testing.TB, s *broker.Subscriber) uint64 {
	t.Helper()
	var k broker.Block
	var buf []byte
	for more := true; more; {
		buf, more = next(t, s, &k, buf[:0], 64<<10)
		if cap(buf) > 1<<20 {
			t.Fatalf("a step took %d bytes", cap(buf))
		}
	}
	return s.Sent()
}

// Resuming from 1, 10,001 and 1,000,001 events back gives exactly those, in bounded memory.
func TestResumeFarBack(t *testing.T) {
	b := openPebble(t)
	start := flood(t, b, farBack)
	var ids []uint64
	for after := start; after < b.Log().Settled(); {
		page, err := b.Log().Read(context.Background(), &eventlog.Query{Channels: channel.Everything()}, after, 4000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Events {
			ids = append(ids, page.Events[i].ID)
		}
		after = page.Reached
	}
	if len(ids) != farBack {
		t.Fatalf("%d events", len(ids))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, back := range []int{1, 10_001, farBack} {
		from := start
		if back < len(ids) {
			from = ids[len(ids)-1-back]
		}
		s := subscribe(t, b, "*", fmt.Sprint(from))
		if got := drain(t, s); got != uint64(back) {
			t.Errorf("from %d back: %d events", back, got)
		}
	}
	rare := subscribe(t, b, "rare", fmt.Sprint(start))
	if got := drain(t, rare); got != farBack/10_000+1 {
		t.Errorf("%d rare events", got)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

// A subscriber that never reads costs next to nothing and delays nobody, while others are served.
func TestStalledCostNothing(t *testing.T) {
	b := open(t, broker.Options{RingBytes: 1 << 20}, eventlog.Retention{})
	const stalled = 2000
	for i := range stalled {
		s := subscribe(t, b, fmt.Sprintf("own-%d,common", i), "")
		readAll(t, s)
	}
	reader := subscribe(t, b, "common", "")
	readAll(t, reader)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var group sync.WaitGroup
	group.Go(func() {
		for range 500 {
			publish(t, b, "common", "", 1)
		}
	})
	for reader.Sent() < 500 {
		<-reader.Wake()
		readAll(t, reader)
	}
	group.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc) - 2<<20) / stalled; each > 3000 {
		t.Errorf("a stalled subscriber costs %d bytes", each)
	}
}

// BenchmarkCatchUp is a resume over a log in which one event in 10,000 matches, and over one in which all match.
func BenchmarkCatchUp(b *testing.B) {
	br := openPebble(b)
	start := flood(b, br, 200_000)
	for _, pattern := range []string{"rare", "*"} {
		b.Run(pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				drain(b, subscribe(b, br, pattern, fmt.Sprint(start)))
			}
		})
	}
}
