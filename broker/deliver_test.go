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

// BenchmarkSubscribers delivers events one by one to many subscribers of a view, each of whom takes the block that the first
// one has made. With except, each event leaves out one of them.
func BenchmarkSubscribers(b *testing.B) {
	for _, except := range []bool{false, true} {
		b.Run(fmt.Sprint("except=", except), func(b *testing.B) {
			log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close()
			broker := New(log, Options{RingBytes: 1 << 20})
			subs := make([]*Subscriber, 1000)
			for i := range subs {
				if subs[i], err = broker.Subscribe(Filter{Channels: channeltest.Set("tick")}, nil); err != nil {
					b.Fatal(err)
				}
			}
			id, own := log.Settled(), &Block{}
			b.ReportAllocs()
			for b.Loop() {
				id++
				events := []eventlog.Event{{ID: id, Name: "tick", Data: []byte(`{}`)}}
				if except {
					events[0].LeaveOut(subs[id%uint64(len(subs))].connection)
				}
				broker.deliver(events, id)
				for _, s := range subs {
					if k, progress := s.Peek(own, 64<<10); progress == More {
						s.Advance(k, len(k.Bytes))
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(subs)), "ns/delivery")
		})
	}
}
