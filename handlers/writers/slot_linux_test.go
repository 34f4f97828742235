package writers

import (
	"testing"

	"sluice/broker"
)

// TestStreamOfSubscriber: a slot is reused, so that it stands for a subscriber only while the stream in it is its own.
func TestStreamOfSubscriber(t *testing.T) {
	t.Parallel()
	own, other, gone := &broker.Subscriber{Slot: 1}, &broker.Subscriber{Slot: 1}, &broker.Subscriber{Slot: 0}
	far, early := &broker.Subscriber{Slot: 2}, &broker.Subscriber{}
	s := &Stream{Subscriber: own}
	sh := &shard{streams: []*Stream{nil, s}}
	if sh.streamOf(own) != s {
		t.Error("its own stream is not found")
	}
	for _, sub := range []*broker.Subscriber{other, gone, far, early} {
		if got := sh.streamOf(sub); got != nil {
			t.Errorf("slot %d: the stream of another", sub.Slot)
		}
	}
}
