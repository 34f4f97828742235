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
// then been stable for standsFor.
const (
	crowd     = 1000
	standsFor = 5 * time.Second
)

// returnMemory returns memory to the system after each crowd, until ctx ends.
func returnMemory(ctx context.Context, count func() int) {
	tick := time.NewTicker(standsFor)
	defer tick.Stop()
	freed, last := count(), count()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n := count()
		moved, still := max(n-freed, freed-n), max(n-last, last-n) < crowd/10
		if last = n; moved >= crowd && still {
			debug.FreeOSMemory()
			freed = n
		}
	}
}
