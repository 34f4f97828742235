package broker

import (
	"fmt"
	"testing"

	"sluice/channel/channeltest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// BenchmarkDeliver gives groups of events to many views, as the committer does.
func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{1, 64} {
		for _, views := range []int{1, 100} {
			b.Run(fmt.Sprintf("events=%d/views=%d", size, views), func(b *testing.B) {
				log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer log.Close()
				broker := New(log, Options{RingBytes: 1 << 20})
				for i := range views {
					if _, err := broker.Subscribe(Filter{Channels: channeltest.Set("tick", fmt.Sprint("own-", i))}, nil); err != nil {
						b.Fatal(err)
					}
				}
				events, id := make([]eventlog.Event, size), log.Settled()
				b.ReportAllocs()
				for b.Loop() {
					for i := range events {
						id++
						events[i] = eventlog.Event{ID: id, Name: "tick", Data: []byte(`{}`)}
					}
					broker.deliver(events, id)
				}
			})
		}
	}
}
