package broker

import (
	"fmt"
	"runtime"
	"testing"

	"sluice/channel/channeltest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// BenchmarkMillion simulates a cluster's million subscribers at one broker, without their connections. Half of them read a
// channel that all have. The others have one of 10,000 channels each. One operation is an event to all of the first half,
// until the last of them has its frame. docs/cluster.md has the figures.
func BenchmarkMillion(b *testing.B) {
	const subscribers, channels = 1_000_000, 10_000
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	broker := New(log, Options{RingBytes: 1 << 20})
	group := broker.NewGroup()
	before := liveHeap()
	for i := range subscribers {
		name := "all"
		if i%2 == 1 {
			name = fmt.Sprint("some-", i%channels)
		}
		if _, err := broker.Subscribe(Filter{Channels: channeltest.Set(name)}, group); err != nil {
			b.Fatal(err)
		}
	}
	each := float64(liveHeap()-before) / subscribers
	id, taken, block := log.Settled(), make([]*Subscriber, 0, subscribers), &Block{}
	b.ResetTimer()
	for b.Loop() {
		id++
		broker.deliver([]eventlog.Event{{ID: id, Name: "all", Data: []byte(`{}`)}}, id)
		taken = group.Take(taken[:0])
		for _, s := range taken {
			k, p := s.Peek(block, 64<<10)
			if p != More || len(k.Bytes) == 0 {
				b.Fatal("a subscriber has no frame")
			}
			s.Advance(k, len(k.Bytes))
		}
	}
	if len(taken) != subscribers/2 {
		b.Fatalf("%d subscribers have the event, want half of %d", len(taken), subscribers)
	}
	b.ReportMetric(each, "B/subscriber")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(taken)), "ns/delivery")
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
