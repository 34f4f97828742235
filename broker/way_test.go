package broker

import (
	"strings"
	"testing"

	"sluice/store/share"
)

// The memories of ways have a fixed size: the newest events are known, and those before are not.
func TestWaysAreBounded(t *testing.T) {
	t.Parallel()
	var s senders
	var f fanned
	views := []*view{{count: 2}, {count: 3}}
	const events = 2*fannedKept + 5
	for id := uint64(1); id <= events; id++ {
		f.note(id, views[:id%3%2])
		if id%2 == 1 { // each request has two events
			s.note(share.Sender{Name: strings.Repeat("n", 100), From: "192.0.2.1", RequestID: "0123456789abcdef", Kind: "key", Door: "realtime"}, id, 2)
		}
	}
	for _, tt := range []struct {
		id        uint64
		sent, fan bool
	}{
		{events, true, true},
		{events + 2, false, false},
		{events - fannedKept + 1, false, true},
		{events - fannedKept, false, false},
		{0, false, false},
	} {
		by, sent := s.of(tt.id)
		one, fan := f.of(tt.id)
		if sent != tt.sent || fan != tt.fan {
			t.Errorf("%d: sent %v, fanned %v", tt.id, sent, fan)
		}
		want := uint32(2 * (tt.id % 3 % 2))
		if fan && (one.id != tt.id || one.subscribers != want) {
			t.Errorf("%d: %+v, want %d", tt.id, one, want)
		}
		if sent && (by != share.Sender{Name: strings.Repeat("n", 64), From: "192.0.2.1", RequestID: "0123456789abcdef", Kind: "key", Door: "realtime"}) {
			t.Errorf("%+v", by)
		}
	}
	known := 0
	for id := uint64(1); id <= events+1; id++ {
		if _, sent := s.of(id); sent {
			known++
		}
	}
	if known != 2*sendersKept {
		t.Errorf("the senders of %d events are known", known)
	}
}

// BenchmarkNote is what a publish and the delivery of its event pay for the memories of ways.
func BenchmarkNote(b *testing.B) {
	b.Run("sender", func(b *testing.B) {
		var s senders
		by := share.Sender{Name: "web", From: "192.0.2.1", RequestID: "0123456789abcdef", Kind: "key", Door: "realtime"}
		b.ReportAllocs()
		for n := uint64(1); b.Loop(); n++ {
			s.note(by, n, 1)
		}
	})
	b.Run("delivery", func(b *testing.B) {
		var f fanned
		views := []*view{{count: 2}}
		b.ReportAllocs()
		for n := uint64(1); b.Loop(); n++ {
			f.note(n, views)
		}
	})
}
