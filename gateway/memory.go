package gateway

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// residentMemory returns the bytes of the process that are in memory. If the system does not report them, it returns
// the bytes that the runtime has.
func residentMemory() uint64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			if pages, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				return pages * uint64(os.Getpagesize())
			}
		}
	}
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// When many clients come or go, each request leaves some 20 KB of garbage, and with TLS 100. The runtime would retain much of
// it for two minutes or more. So the gateway returns it to the system once a crowd has come or gone, and the number of streams
// has then been stable for standsFor. It does the same when work that made much garbage is over: that took some collections,
// and then standsFor passed without one.
const (
	leastCrowd = 50
	mostCrowd  = 1000
	work       = 10 // collections
	standsFor  = 5 * time.Second
)

// returnMemory returns memory to the system after each crowd and after much work, until ctx ends.
func returnMemory(ctx context.Context, count func() int) {
	tick := time.NewTicker(standsFor)
	defer tick.Stop()
	m := newMoment(count(), collections())
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if m.over(count(), collections()) {
			debug.FreeOSMemory()
			m.freed(collections())
		}
	}
}

// moment is when memory was looked at last, and when it was returned last: with how many streams, and after how many
// collections.
type moment struct {
	streams, streamsThen         int
	collections, collectionsThen uint64
}

func newMoment(streams int, collections uint64) *moment {
	return &moment{streams, streams, collections, collections}
}

// over notes a look, and reports whether a crowd has come or gone, or much work is over.
func (m *moment) over(streams int, collections uint64) bool {
	crowd := min(max(leastCrowd, streams/10), mostCrowd) // to look through a large heap takes long
	still := distance(streams, m.streams) < max(1, crowd/10) && distance(streams, m.streamsThen) >= crowd
	done := collections == m.collections && collections-m.collectionsThen >= work
	m.streams, m.collections = streams, collections
	return still || done
}

// freed notes that memory was returned, which takes a collection too.
func (m *moment) freed(collections uint64) {
	m.streamsThen, m.collections, m.collectionsThen = m.streams, collections, collections
}

func distance(a, b int) int { return max(a-b, b-a) }

// collections returns how often garbage was collected.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
