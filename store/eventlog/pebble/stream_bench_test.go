package pebble_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// BenchmarkOneStream reads a stream of 1,000 events scattered over a long log, and for comparison a log with only
// these, and a scan of everything. The work should depend on the length of the stream, not of the log.
func BenchmarkOneStream(b *testing.B) {
	const few = 1000
	many := max(benchEvents(), 10*few)
	long, short := streamLog(b, many, few), streamLog(b, few, few)
	one := &eventlog.Query{Channels: channel.Everything(), Stream: "one"}
	all := &eventlog.Query{Channels: channel.Everything()}
	var alone time.Duration
	for _, bb := range []struct {
		name  string
		log   *eventlog.Log
		query *eventlog.Query
		want  int
	}{
		{"alone, scanned", short, all, few}, {"alone", short, one, few}, {"of many", long, one, few}, {"all of many", long, all, many},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			pages := 0
			for b.Loop() {
				pages = readWhole(b, bb.log, bb.query, bb.want)
			}
			each := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(each.Nanoseconds())/float64(bb.want), "ns/event")
			b.ReportMetric(float64(pages), "pages")
			switch {
			case bb.name == "alone":
				alone = each
			case alone > 0:
				b.ReportMetric(float64(each)/float64(alone), "×alone")
			}
		})
	}
}

// streamLog is a log in which only every nth event is of the stream.
func streamLog(b *testing.B, events, few int) *eventlog.Log {
	b.Helper()
	log := openBench(b, pebble.Process)
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	})
	every := events / few
	for at := 0; at < events; {
		r := &eventlog.Request{}
		for ; at < events && len(r.Events) < 500; at++ {
			e := eventlog.Event{Name: "put", Collection: "c" + strconv.Itoa(at%1000), Data: text(at)}
			if at%every == every/2 && at/every < few {
				e.Stream = "one"
			} else if at%5 == 0 {
				e.Stream = "s" + strconv.Itoa(at%500)
			}
			r.Events = append(r.Events, e)
		}
		if _, err := log.Append(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
	return log
}

// readWhole reads a query from the earliest event to the end. It returns the number of steps.
func readWhole(b *testing.B, log *eventlog.Log, q *eventlog.Query, want int) (pages int) {
	b.Helper()
	n := 0
	start, err := log.Earliest("")
	if err != nil {
		b.Fatal(err)
	}
	for after := start.After; after < log.Settled(); pages++ {
		p, err := log.Read(context.Background(), q, after, 256)
		if err != nil {
			b.Fatal(err)
		}
		n += len(p.Events)
		after = p.Reached
	}
	if n != want {
		b.Fatalf("%d events, want %d", n, want)
	}
	return pages
}

// BenchmarkStreams counts the events of 100 streams at a time, of 100,000.
func BenchmarkStreams(b *testing.B) {
	log := openBench(b, pebble.Process)
	defer log.Close()
	const events, streams = 100_000, 100
	for done := 0; done < events; done += 1000 {
		batch := make([]eventlog.Event, 1000)
		for i := range batch {
			batch[i] = eventlog.Event{Space: "$db/b", Name: "x", Stream: "s" + uitoa(uint64(i%streams)), Key: uitoa(uint64(done + i)), Data: text(done + i)}
		}
		if _, err := log.Append(context.Background(), &eventlog.Request{Events: batch}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		found, err := log.Streams(context.Background(), "$db/b", "", "", streams+1)
		if err != nil || len(found) != streams {
			b.Fatal(len(found), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}
