package writers

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// witness is a lease that counts panics.
type witness struct{ panics atomic.Int32 }

func (*witness) End(End) {}

func (w *witness) Panicked(any) { w.panics.Add(1) }

// TestStalledContainsPanics: a panic of the timer that cuts off a slow client goes to the stream's lease. The process does
// not end, and the timer goes on.
func TestStalledContainsPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w witness
		s := newStalled(func() bool { panic("in over") }, func() {}, &w, 0)
		s.begin()
		time.Sleep(2*maxLinger + maxLinger/2)
		s.end()
		synctest.Wait()
		if w.panics.Load() != 2 {
			t.Errorf("the lease got %d panics", w.panics.Load())
		}
	})
}

// TestStalledGivesEachWriteItsTime: the timer runs on behind a write, and a later write still has its whole time.
func TestStalledGivesEachWriteItsTime(t *testing.T) {
	t.Parallel()
	for _, most := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var cuts atomic.Int32
			s := newStalled(func() bool { return true }, func() { cuts.Add(1) }, &witness{}, most)
			defer s.close()
			for range 5 {
				s.begin()
				time.Sleep(maxLinger - time.Millisecond)
				s.end()
				time.Sleep(time.Millisecond / 2)
			}
			if n := cuts.Load(); n != 0 {
				t.Errorf("%d writes were cut that had not taken long", n)
			}
			s.begin()
			time.Sleep(maxLinger + 2*time.Millisecond)
			if n := cuts.Load(); n != 1 {
				t.Errorf("one that takes longer was cut %d times", n)
			}
			s.end()
			time.Sleep(3 * maxLinger)
			if n := cuts.Load(); n != 1 {
				t.Errorf("after the end it was cut %d times", n)
			}
		})
	}
}
