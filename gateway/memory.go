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

// residentMemory is how many bytes of the process are in memory; where the system does not say, how many the
// runtime has.
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

// A crowd that comes or goes leaves garbage: some 20 KB for each request. The runtime would keep much of it for two minutes
// and more. So the gateway returns it once this many streams have come or gone, and their number then stays the same.
const (
	crowd     = 1000
	standsFor = 5 * time.Second
)

// handBack hands memory back after each crowd, until ctx ends.
func handBack(ctx context.Context, count func() int) {
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
