package traffic

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPending: one more socket takes the place of the oldest of its address, or, where the whole pool is full, of the
// oldest of the address with the most.
func TestPending(t *testing.T) {
	t.Parallel()
	p := newPending(16) // two for each address
	var cut []string
	enter := func(address, name string) *Pending {
		return p.enter(address, func() { cut = append(cut, name) })
	}
	first := enter("a", "a1")
	enter("a", "a2")
	enter("a", "a3")
	if first.Leave() || !slices.Equal(cut, []string{"a1"}) {
		t.Errorf("cut %v, want the oldest of the address", cut)
	}
	for i := range 14 { // b0 to b13, one each
		enter(fmt.Sprint("b", i), fmt.Sprint("b", i))
	}
	enter("c", "c1")
	if !slices.Equal(cut, []string{"a1", "a2"}) || p.count() != 16 {
		t.Errorf("cut %v of %d, want the oldest of the address with the most", cut, p.count())
	}
}

// TestPendingModel: the pool never has more than its bounds, cuts each socket at most once, and forgets those that are
// gone.
func TestPendingModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := newPending(24)
		type socket struct {
			place *Pending
			cut   int
		}
		var there []*socket
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			if len(there) > 0 && rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				i := rapid.IntRange(0, len(there)-1).Draw(t, "socket")
				if one := there[i]; one.place.Leave() != (one.cut == 0) {
					t.Fatal("a place is there just until its socket is cut")
				}
				there = slices.Delete(there, i, i+1)
				continue
			}
			one := &socket{}
			one.place = p.enter(fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "address")), func() { one.cut++ })
			there = append(there, one)
			by := map[string]int{}
			n := 0
			for _, o := range there {
				if o.cut > 1 {
					t.Fatal("cut twice")
				}
				if o.cut == 0 {
					by[o.place.network]++
					n++
				}
			}
			if n != p.count() || n > 24 || by[one.place.network] > 3 || one.cut != 0 {
				t.Fatalf("%d are there, %d counted, %v", n, p.count(), by)
			}
		}
		for _, one := range there {
			one.place.Leave()
		}
		if p.count() != 0 || len(p.by) != 0 {
			t.Fatalf("left behind: %v", p.by)
		}
	})
}

// TestOpenLimits: connections without a credential have places of their own, of which an address has half.
func TestOpenLimits(t *testing.T) {
	t.Parallel()
	l := newLimits(Limits{Connections: 4, ConnectionsPerKey: 0})
	for _, step := range []struct {
		network string // "": a credential
		want    bool
	}{{"a", true}, {"a", true}, {"a", false}, {"b", true}, {"c", true}, {"d", false}, {"", true}, {"", true}, {"", true}, {"", true}, {"", false}} {
		var got bool
		if step.network == "" {
			got = l.take("key") == nil
		} else {
			got = l.takeOpen(step.network) == nil
		}
		if got != step.want {
			t.Errorf("%q: let in is %v", step.network, got)
		}
	}
	l.giveOpen("a")
	if l.takeOpen("d") != nil || l.count() != 8 {
		t.Errorf("a place that was given back is not there; %d are taken", l.count())
	}
}
