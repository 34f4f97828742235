package gateway

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// leastHeap keeps the runtime from collecting garbage before the heap has some size. By itself it collects whenever the
// heap has doubled, and from 4 MiB on. A gateway with few streams has 2 MiB of live memory, so publishes made it collect
// 30 times a second, for 9 % of their CPU time (16 publishers, 5 KB of garbage each). From half of the least size on,
// live memory makes no difference.
type leastHeap struct {
	bytes   int64
	percent int // in force
}

// The runtime's own values.
const (
	runtimeLeast   = 4 << 20
	runtimePercent = 100
)

// keepLeastHeap begins to keep a size of the heap, unless GOGC is set. The process keeps it until its end.
func keepLeastHeap(bytes int64) {
	if os.Getenv("GOGC") == "" && bytes > runtimeLeast {
		h := &leastHeap{bytes: bytes, percent: runtimePercent}
		h.adjust()
	}
}

// adjust sets the percentage for the live memory of the last collection, and runs again after the next: the runtime calls
// a finalizer after each collection that finds its object unused. Limits of memory stay in force, because the runtime
// collects before them whatever the percentage is.
func (h *leastHeap) adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if percent := h.percentFor(int64(sample[0].Value.Uint64())); percent != h.percent {
		h.percent = percent
		debug.SetGCPercent(percent)
	}
	runtime.SetFinalizer(&collection{h}, func(c *collection) { c.heap.adjust() })
}

// collection is an object that nothing uses, so that it is found by the next collection.
type collection struct{ heap *leastHeap }

// percentFor returns how much the heap may grow beyond its live memory. There are few steps, because each change stops the
// process for a moment.
func (h *leastHeap) percentFor(live int64) int {
	return runtimePercent * int(max(1, h.bytes/max(live, runtimeLeast)))
}
