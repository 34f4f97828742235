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

// When many clients come or go, each request leaves some 20 KB of garbage. The runtime would retain much of it for two
// minutes or more. So the gateway returns it to the system once crowd streams have come or gone, and their number has
// then been stable for standsFor. It does the same when work that made much garbage is over: that took some collections,
// and then standsFor passed without one.
const (
	crowd     = 1000
	work      = 10 // collections
	standsFor = 5 * time.Second
)

// returnMemory returns memory to the system after each crowd and after much work, until ctx ends.
func returnMemory(ctx context.Context, count func() int) {
	tick := time.NewTicker(standsFor)
	defer tick.Stop()
	freed, last := count(), count()
	freedAt, lastAt := collections(), collections()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, at := count(), collections()
		moved, still := max(n-freed, freed-n), max(n-last, last-n) < crowd/10
		over := at-freedAt >= work && at == lastAt
		last, lastAt = n, at
		if moved >= crowd && still || over {
			debug.FreeOSMemory()
			freed, freedAt = n, collections()
			lastAt = freedAt
		}
	}
}

// collections returns how often garbage was collected.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
