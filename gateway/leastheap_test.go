package gateway

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestLeastHeapPercent(t *testing.T) {
	t.Parallel()
	h := leastHeap{bytes: 16 << 20}
	for live, want := range map[int64]int{0: 400, 2 << 20: 400, 4 << 20: 400, 5 << 20: 300, 8 << 20: 200, 9 << 20: 100, 1 << 30: 100} {
		if got := h.percentFor(live); got != want {
			t.Errorf("%d MiB of live memory: %d %%, want %d", live>>20, got, want)
		}
		// With this percentage, the heap is never larger than the least size and half of it, or than twice the live memory.
		if most := max(live, runtimeLeast) * int64(100+h.percentFor(live)) / 100; most > max(3*h.bytes/2, 2*live) {
			t.Errorf("%d MiB of live memory: the heap becomes %d MiB", live>>20, most>>20)
		}
	}
}

// TestLeastHeap: after each collection, the percentage is that for the live memory. It does not run beside other tests,
// since it changes the process.
func TestLeastHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(runtimePercent))
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h := &leastHeap{bytes: 4 * max(int64(m.HeapAlloc), runtimeLeast), percent: runtimePercent} // more than what the other tests have
	h.adjust()
	if got := percent(); got < 2*runtimePercent {
		t.Errorf("at first: %d %%", got)
	}
	held := make([]byte, h.bytes)
	wait(t, "much is live", func(p int) bool { return p == runtimePercent })
	runtime.KeepAlive(held)
	wait(t, "it is free again", func(p int) bool { return p >= 2*runtimePercent })
}

// wait collects garbage until the percentage is as wanted.
func wait(t *testing.T, when string, ok func(percent int) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(percent()); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d %%", when, percent())
		}
		runtime.GC()
	}
}

func percent() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
