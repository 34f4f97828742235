package broker_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"sluice/broker"
	"sluice/channel"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
)

// TestViewMemory: a view takes not much more memory than the request had bytes, and no more than Filter.Size returns.
func TestViewMemory(t *testing.T) {
	const views = 200
	long := strings.Repeat("x", 100)
	for name, pattern := range map[string]string{
		"left":   "%d-%d-" + long,
		"right":  "*:%d-%d-" + long,
		"both":   "%d-%d-" + long + ":%[1]d-%[2]d-" + long,
		"prefix": "%d-%d-" + long + "*:%[1]d-%[2]d-" + long + "*",
		"short":  "%d-%d",
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, broker.Options{}, eventlog.Retention{})
			sent, size := 0, int64(0)
			before := heap()
			for i := range views {
				list := make([]string, channel.MaxRequest)
				for j := range list {
					list[j] = fmt.Sprintf(pattern, i, j)
					sent += len(list[j]) + 1
				}
				set := channeltest.Set(list...)
				f := broker.Filter{Channels: set}
				size += f.Size()
				if _, err := b.Subscribe(f, nil); err != nil {
					t.Fatal(err)
				}
			}
			taken := heap() - before
			if taken > size*5/4 {
				t.Errorf("%d bytes are taken, and %d charged", taken, size)
			}
			if name != "short" && taken > 4*int64(sent) {
				t.Errorf("%d bytes are taken for %d that were sent", taken, sent)
			}
			t.Logf("sent %d, size %d, taken %d: %.1f and %.1f times", sent, size, taken, float64(taken)/float64(sent), float64(taken)/float64(size))
			runtime.KeepAlive(b)
		})
	}
}

// heap returns the bytes of live objects.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
