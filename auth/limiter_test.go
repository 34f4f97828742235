package auth

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A client that waits for the time it got passes, at any rate, and would not have passed much earlier.
func TestWaitIsLongEnough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		rates := rapid.SliceOfN(rapid.Float64Range(0.001, 2000), 1, 3).Draw(r, "rates")
		charges := rapid.SliceOfN(rapid.IntRange(1, 5000), 1, 5).Draw(r, "charges")
		synctest.Test(t, func(t *testing.T) {
			id := &Identity{}
			for _, perSecond := range rates {
				id.limiters = append(id.limiters, newLimiter(perSecond))
			}
			for _, n := range charges {
				if ok, wait := id.Take(time.Now(), n); !ok {
					if wait <= 0 {
						t.Fatalf("refused after the wait, with another wait of %s", wait)
					}
					if early := wait - wait/100 - time.Millisecond; early > 0 {
						if ok, _ := id.Take(time.Now().Add(early), 1); ok {
							t.Fatalf("the wait is %s, but %s are enough", wait, early)
						}
					}
					time.Sleep(wait)
					if ok, again := id.Take(time.Now(), n); !ok {
						t.Fatalf("waited for %s and refused, for another %s", wait, again)
					}
				}
			}
		})
	})
}
