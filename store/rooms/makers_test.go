package rooms

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// anon is a maker without a credential, and key one with a credential.
func anon(address string) Maker { return Maker{"address\x00" + address, true} }
func key(name string) Maker     { return Maker{"key\x00" + name, false} }

// tries makes ten rooms. It returns how many could be made, and the last error.
func tries(m *makers, maker Maker, now time.Time) (made int, wait time.Duration, reason Reason) {
	for range 10 {
		_, err := m.admit(maker, now)
		if err == nil {
			made++
			continue
		}
		var refused *Refusal
		if errors.As(err, &refused) {
			wait, reason = refused.Wait, refused.Reason
		}
	}
	return made, wait, reason
}

// Each address has a rate, all addresses together have another, and each credential has one of its own.
func TestMakersRates(t *testing.T) {
	t.Parallel()
	m := newMakers(Limits{Rooms: 1 << 20, CreateRate: 6, CreateRateAll: 15, CreateRateKey: 8})
	now := time.Unix(1_800_000_000, 0)
	for i, step := range []struct {
		after time.Duration
		maker Maker
		made  int // of ten
		wait  time.Duration
	}{
		{0, anon("a"), 6, 10 * time.Second},
		{0, anon("a"), 0, 10 * time.Second},
		{0, anon("b"), 6, 10 * time.Second},
		{0, anon("c"), 3, 4 * time.Second}, // the rate of all
		{0, key("k"), 8, 7500 * time.Millisecond},
		{0, key("l"), 8, 7500 * time.Millisecond},
		{4 * time.Second, anon("a"), 0, 6 * time.Second},
		{0, anon("c"), 1, 4 * time.Second},
		{21 * time.Second, anon("a"), 2, 5 * time.Second},
		{time.Hour, anon("a"), 6, 10 * time.Second},
	} {
		now = now.Add(step.after)
		made, wait, reason := tries(m, step.maker, now)
		if made != step.made || wait.Round(time.Millisecond) != step.wait || reason != TooFast {
			t.Errorf("step %d: %d rooms, then %s to wait (%d); want %d and %s", i, made, wait, reason, step.made, step.wait)
		}
	}
}

// No address has more than a tenth of the rooms, and no credential more than nine tenths. A room that ends, or that was
// not made, no longer counts.
func TestMakersShare(t *testing.T) {
	t.Parallel()
	const fast = 1 << 20
	m := newMakers(Limits{Rooms: 2000, CreateRate: fast, CreateRateAll: fast, CreateRateKey: fast})
	now := time.Unix(1_800_000_000, 0)
	fill := func(maker Maker) (n int) {
		for ; ; n++ {
			share, err := m.admit(maker, now)
			if err != nil {
				return n
			}
			m.add(share, fmt.Sprint(maker.Owner, len(m.rooms)))
			m.release(share)
		}
	}
	if n := fill(anon("a")); n != 200 {
		t.Errorf("%d rooms of an address", n)
	}
	if n := fill(anon("b")); n != 200 {
		t.Errorf("%d rooms of another", n)
	}
	if n := fill(key("k")); n != 1800 {
		t.Errorf("%d rooms of a credential", n)
	}
	if _, wait, reason := tries(m, anon("a"), now); reason != TooManyOwn || wait != time.Minute {
		t.Errorf("refused for reason %d, %s", reason, wait)
	}
	for range 2 { // the second time it is already gone
		m.ended(anon("a").Owner + "0")
	}
	m.ended("a room that was there before the start")
	share, err := m.admit(anon("a"), now)
	if err != nil {
		t.Fatal(err)
	}
	m.release(share)
	if n := fill(anon("a")); n != 1 {
		t.Errorf("%d more", n)
	}
	m.add(share, "late") // nobody waits for it any more
	if n := m.count[anon("a").Owner]; n != 201 {
		t.Errorf("%d rooms with the late one", n)
	}
	for id := range m.rooms {
		m.ended(id)
	}
	if len(m.count)+len(m.rooms) != 0 {
		t.Errorf("left behind: %d makers, %d rooms", len(m.count), len(m.rooms))
	}
	if m := newMakers(Limits{Rooms: 5}); m.maxAnonymous != minShare || m.maxPerKey != minShare {
		t.Errorf("of five rooms: %d and %d", m.maxAnonymous, m.maxPerKey)
	}
}

// However many addresses come, the makers have only those that have made a room lately.
func TestMakersDoNotGrow(t *testing.T) {
	t.Parallel()
	m := newMakers(Limits{Rooms: 1 << 30, CreateRate: 60, CreateRateAll: 600, CreateRateKey: 1})
	now := time.Unix(1_800_000_000, 0)
	for i := range 200_000 {
		if share, err := m.admit(anon(fmt.Sprint(i)), now); err == nil {
			m.release(share)
		}
		now = now.Add(time.Millisecond)
	}
	if len(m.by) > 2*minPrune || len(m.count) != 0 {
		t.Errorf("%d rates and %d makers are known", len(m.by), len(m.count))
	}
}
