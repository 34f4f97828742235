package tries

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var limit = Limit{30, 2 * time.Second}

// exhaust uses up the tries of an address.
func exhaust(t *testing.T, g *Guard, from string) {
	t.Helper()
	for n := range limit.Burst {
		if wait := g.Wrong(from); wait != 0 {
			t.Fatalf("try %d has to wait for %s", n, wait)
		}
	}
}

// An address has a burst of wrong keys, and then one more in each interval. A refused key is not charged. A key that was
// right from there before passes, and any other must wait. Other addresses are not affected.
func TestGuard(t *testing.T) {
	t.Parallel()
	for from, same := range map[string]string{
		"192.0.2.1": "::ffff:192.0.2.1", "2001:db8:1:2::1": "2001:db8:1:2:ffff::1", "fe80::1%eth0": "fe80::2", "": "", "a proxy's": "a proxy's",
	} {
		synctest.Test(t, func(t *testing.T) {
			g := NewGuard(limit)
			if wait := g.Right(same, digest("old")); wait != 0 {
				t.Fatal(wait)
			}
			exhaust(t, g, from)
			for range 3000 {
				if wait := g.Wrong(same); wait != limit.Every {
					t.Fatalf("a wrong key has to wait for %s", wait)
				}
				if wait := g.Right(from, digest("new")); wait != limit.Every {
					t.Fatalf("a right key that is new here has to wait for %s", wait)
				}
			}
			if wait := g.Right(from, digest("old")); wait != 0 {
				t.Errorf("a right key that is not new here has to wait for %s", wait)
			}
			for _, other := range []string{"2001:db8:1:3::1", "198.51.100.1", "another"} {
				if a, b := g.Right(other, digest("old")), g.Wrong(other); a != 0 || b != 0 {
					t.Errorf("%s has to wait for %s and %s", other, a, b)
				}
			}
			exhaust(t, g, "203.0.113.1")
			if wait := g.Right("203.0.113.1", digest("old")); wait != limit.Every {
				t.Errorf("a key that was right elsewhere has to wait for %s", wait)
			}
			time.Sleep(limit.Every)
			if wait := g.Right(from, digest("new")); wait != 0 {
				t.Errorf("it has to wait for %s more", wait)
			}
			if a, b := g.Wrong(from), g.Wrong(from); a != 0 || b != limit.Every {
				t.Errorf("after a while the waits are %s and %s", a, b)
			}
		})
	}
}

// The table of right keys has a fixed size, and contains the last ones.
func TestGuardForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(limit)
		const keys = 4 * seenSets * seenWays
		for n := range keys {
			g.Right("192.0.2.1", digest(fmt.Sprint("key", n)))
		}
		exhaust(t, g, "192.0.2.1")
		if wait := g.Right("192.0.2.1", digest(fmt.Sprint("key", keys-1))); wait != 0 {
			t.Errorf("the last key has to wait for %s", wait)
		}
		known := 0
		for n := range keys {
			if g.Right("192.0.2.1", digest(fmt.Sprint("key", n))) == 0 {
				known++
			}
		}
		if known > seenSets*seenWays || known < seenSets {
			t.Errorf("%d keys are remembered", known)
		}
	})
}

// Guesses at the same time are no more than guesses one after another.
func TestGuardAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(limit)
		var group sync.WaitGroup
		var mu sync.Mutex
		passed := 0
		for range 10 * limit.Burst {
			group.Go(func() {
				if g.Wrong("192.0.2.1") == 0 {
					mu.Lock()
					defer mu.Unlock()
					passed++
				}
			})
		}
		group.Wait()
		if passed != limit.Burst {
			t.Errorf("%d passed", passed)
		}
	})
}

func BenchmarkGuardRight(b *testing.B) {
	g := NewGuard(limit)
	b.ReportAllocs()
	key := digest("key")
	for b.Loop() {
		g.Right("192.0.2.1", key)
	}
}
