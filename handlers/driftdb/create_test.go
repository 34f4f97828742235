package driftdb

import (
	"fmt"
	"testing"
	"time"
)

// Who owns a network is one maker, however many addresses it has; a minute's worth of rooms may be made at once.
func TestMakers(t *testing.T) {
	t.Parallel()
	m := newMakers(6)
	for shared(&m, "192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1", "fe80::1%eth0", "no address") {
		m = newMakers(6)
	}
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after   time.Duration
		address string
		taken   int           // of ten tries
		wait    time.Duration // that the last is told
	}{
		{0, "192.0.2.1", 6, 10 * time.Second},
		{0, "::ffff:192.0.2.1", 0, 10 * time.Second},
		{0, "192.0.2.2", 6, 10 * time.Second},
		{0, "2001:db8:0:1::1", 6, 10 * time.Second},
		{0, "2001:db8:0:1:ffff::2", 0, 10 * time.Second},
		{0, "2001:db8:0:2::1", 6, 10 * time.Second},
		{0, "fe80::1%eth0", 6, 10 * time.Second},
		{0, "fe80::2%eth1", 0, 10 * time.Second},
		{0, "no address", 6, 10 * time.Second},
		{4 * time.Second, "192.0.2.1", 0, 6 * time.Second},
		{21 * time.Second, "192.0.2.1", 2, 5 * time.Second},
		{time.Hour, "192.0.2.1", 6, 10 * time.Second},
	} {
		now = now.Add(step.after)
		taken, wait := 0, time.Duration(0)
		for range 10 {
			if wait = m.take(step.address, now); wait == 0 {
				taken++
			}
		}
		if taken != step.taken || wait.Round(time.Millisecond) != step.wait {
			t.Errorf("%s at %s: %d rooms, then %s to wait; want %d and %s", step.address, now.UTC().Format(time.TimeOnly), taken, wait, step.taken, step.wait)
		}
	}
}

// shared says whether two of some addresses have one place, by their hash.
func shared(m *makers, addresses ...string) bool {
	seen := map[uint64]bool{}
	for _, a := range addresses {
		seen[m.place(a)] = true
	}
	return len(seen) < len(addresses)
}

// However many come, the table is as large as it was.
func TestMakersDoNotGrow(t *testing.T) {
	t.Parallel()
	m := newMakers(1)
	for i := range 40_000 {
		m.take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), time.Unix(1_800_000_000, 0))
	}
	if len(m.by) != makersMost {
		t.Errorf("%d places", len(m.by))
	}
}
