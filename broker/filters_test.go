package broker_test

import (
	"fmt"
	"testing"

	"sluice/broker"
	"sluice/store/eventlog"
)

// BenchmarkFilters publishes an event that one of many different filters matches, and delivers it.
func BenchmarkFilters(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			br := open(b, broker.Options{}, eventlog.Retention{Bytes: 1 << 20})
			for i := range n {
				readAll(b, subscribe(b, br, fmt.Sprintf("own-%d,PUT:c%d", i, i), ""))
			}
			one := subscribe(b, br, "wanted", "")
			readAll(b, one)
			b.ReportAllocs()
			for b.Loop() {
				publish(b, br, "wanted", "", 1)
				readAll(b, one)
			}
		})
	}
}
