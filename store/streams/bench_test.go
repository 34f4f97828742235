package streams_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
	"sluice/store/streams"
)

// cpuTime is the processor time that the process has used, in nanoseconds.
func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkAppend appends one event at a time to a database, as the doors do.
func BenchmarkAppend(b *testing.B) {
	for _, publishers := range []int{1, 16} {
		b.Run(fmt.Sprint(publishers), func(b *testing.B) {
			engine, err := pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()})
			if err != nil {
				b.Fatal(err)
			}
			log, err := eventlog.Open(engine, eventlog.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close()
			c, err := streams.Open(log, streams.Limits{DatabaseBytes: 1 << 40, AccountBytes: 1 << 40})
			if err == nil {
				err = c.Create(context.Background(), "a", "ann")
			}
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpuTime(b)
			var group sync.WaitGroup
			for p := range publishers {
				group.Go(func() {
					for n := p; n < b.N; n += publishers {
						e := streams.Event{ID: strconv.Itoa(n), Type: "t", Namespace: "shop", Stream: "s" + strconv.Itoa(n%100), Data: json.RawMessage(`{"n":1}`)}
						if _, err := c.Append(context.Background(), "a", &e, true); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
