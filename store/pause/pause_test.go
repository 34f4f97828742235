package pause

import (
	"testing"
	"time"
)

// TestPause: a late look is a pause, for everyone who began before it ended, whoever notices it first.
func TestPause(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := newWatch(func() time.Time { return now })
	pass := func(d time.Duration) time.Time {
		now = now.Add(d)
		return now
	}
	begun := pass(every)
	for range 20 {
		pass(every + late/2) // slow, but not late
		w.look()
	}
	if w.since(begun) {
		t.Error("a pause where there was none")
	}
	before := now
	pass(5 * time.Second)
	if !w.since(before) || !w.since(begun) {
		t.Error("a pause is not noticed by who asks first")
	}
	if after := pass(every); w.since(after) {
		t.Error("what began after the pause had all of its time")
	}
	if pass(time.Hour); !w.since(before) {
		t.Error("who asks much later")
	}
	if w.since(w.began.Add(-time.Hour)) {
		t.Error("a time of another clock")
	}
}
