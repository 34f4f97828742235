package logtest

import (
	"testing"
	"time"
)

func testIDs(t *testing.T, o Opener) {
	clock := NewClock()
	last := uint64(0)
	for round := range 3 {
		log, _ := open(t, o, Config{Source: clock.Source()})
		if log.Settled() <= last && o.Durable() {
			t.Fatalf("round %d starts at %d, not above %d", round, log.Settled(), last)
		}
		last = log.Settled()
		for range 20 {
			id := put(t, log, event("goal", "", ""))
			if id <= last {
				t.Fatalf("id %d after %d", id, last)
			}
			if now := uint64(clock.Now().UnixMicro()); id < now {
				t.Fatalf("id %d lies before its time %d", id, now)
			}
			last = id
			clock.Step(-time.Second)
		}
		closeLog(t, log)
		if !o.Durable() {
			return
		}
	}
}

func testBatches(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	first := put(t, log, event("a", "", ""), event("b", "", ""), event("c", "x", "s"))
	got := all(t, log, everything(""), 0, 2)
	if len(got) != 3 {
		t.Fatalf("%d events", len(got))
	}
	for i, e := range got {
		if e.ID != first+uint64(i) || e.Name != string(rune('a'+i)) || string(e.Data) != `{"a":1}` {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if got[2].Collection != "x" || got[2].Stream != "s" {
		t.Errorf("fields are lost: %+v", got[2])
	}
}

func testReopen(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	put(t, log, event("a", "", ""), event("b", "c", "s"))
	closeLog(t, log)
	if !o.Durable() {
		return
	}
	log, _ = open(t, o, Config{})
	defer closeLog(t, log)
	if got := all(t, log, everything(""), 0, 10); len(got) != 2 || got[1].Stream != "s" {
		t.Errorf("after reopening: %+v", got)
	}
}
