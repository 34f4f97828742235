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
