package pebble_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

func uitoa(n uint64) string { return strconv.FormatUint(n, 10) }

// benchEvents is small unless BENCH_EVENTS is set. Quote only figures from 1,000,000, which include compaction.
func benchEvents() int {
	if n, err := strconv.Atoi(os.Getenv("BENCH_EVENTS")); err == nil {
		return n
	}
	return 50_000
}

// cpu is the time that this process has used, compaction included.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// text is 200 B that compress by about half.
func text(n int) []byte {
	return []byte(fmt.Sprintf(`{"id":"%024x","name":"customer %d","text":"%s","more":"%016x%016x"}`, n, n, strings.Repeat("lorem ", 8), n*2654435761, n*40503))
}

func openBench(b *testing.B, d pebble.Durability) *eventlog.Log {
	b.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: b.TempDir(), Durability: d})
	if err != nil {
		b.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return log
}

// fill appends from 64 publishers. Every event is in the channel index, one in five in a stream.
func fill(b *testing.B, log *eventlog.Log, events, publishers int, idempotent bool) {
	b.Helper()
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			for n := p; n < events; n += publishers {
				e := eventlog.Event{Name: "put", Collection: "c" + strconv.Itoa(n%1000), Data: text(n)}
				if n%5 == 0 {
					e.Stream = "s" + strconv.Itoa(n%500)
				}
				r := &eventlog.Request{Events: []eventlog.Event{e}}
				if idempotent {
					var err error
					if r.Once, _, err = log.Once("bench"+strconv.Itoa(n/90_000), strconv.Itoa(n), [32]byte{}); err != nil {
						b.Error(err)
						return
					}
				}
				if _, err := log.Append(context.Background(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkAppend(b *testing.B) {
	for _, bb := range []struct {
		name       string
		durability pebble.Durability
		idempotent bool
	}{{"process", pebble.Process, false}, {"process, idempotency", pebble.Process, true}, {"disk", pebble.Disk, false}} {
		for _, publishers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", bb.name, publishers), func(b *testing.B) {
				events := benchEvents()
				if publishers == 1 {
					events = min(events, 50_000)
				}
				b.ReportAllocs()
				for b.Loop() {
					log := openBench(b, bb.durability)
					before := cpu()
					fill(b, log, events, publishers, bb.idempotent)
					if err := log.Close(); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(cpu()-before)/1e3/float64(events), "cpu-µs/event")
				}
			})
		}
	}
}

// BenchmarkReplay reads a whole log, and by the indexes one event in a thousand, or one stream.
func BenchmarkReplay(b *testing.B) {
	log := openBench(b, pebble.Process)
	defer log.Close()
	events := benchEvents()
	fill(b, log, events, 64, false)
	put := func(collection string) channel.Set {
		return channel.NewSet(channel.Pattern{Left: channel.Side{Kind: channel.Exact, Text: "PUT"}, Right: channel.Side{Kind: channel.Exact, Text: collection}})
	}
	for name, query := range map[string]eventlog.Query{
		"whole":             {Channels: channel.Everything()},
		"one in a thousand": {Channels: put("c7")},
		"an absent channel": {Channels: put("none")},
		"one stream":        {Channels: channel.Everything(), Stream: "s5"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = 0
				for after := uint64(0); after < log.Settled(); {
					p, err := log.Read(context.Background(), &query, after, 256)
					if err != nil {
						b.Fatal(err)
					}
					n += len(p.Events)
					after = p.Reached
				}
			}
			b.ReportMetric(float64(n), "events")
		})
	}
}
