// Package pause detects when the process itself stood still: it was stopped (SIGSTOP, a frozen container, a suspended
// machine) or got no processor. Time limits ran out meanwhile through no fault of the clients. So code that enforces a
// time limit on others asks here first, and gives them the time again.
package pause

import (
	"sync"
	"time"
)

const (
	every = 200 * time.Millisecond
	// late is how much later than due a look must be to count as a pause.
	late = time.Second
)

// watch looks at the clock regularly and remembers the last time that a look was late.
type watch struct {
	now func() time.Time

	mu     sync.Mutex
	began  time.Time
	looked time.Time
	over   time.Time // the end of the last pause
}

func newWatch(now func() time.Time) *watch {
	t := now()
	return &watch{now: now, began: t, looked: t}
}

// look runs regularly, and on each question: after a pause, the timer of whoever asks may run before ours.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if w.foreign(now) {
		return
	}
	if between(w.looked, now) > every+late {
		w.over = now
	}
	w.looked = now
}

// between is the time that passed, by the clock that has advanced more: while a machine is suspended, only the wall
// clock advances. A wall clock that is set forward looks like a pause. That gives everybody their time again, which
// harms nobody.
func between(a, b time.Time) time.Duration { return max(b.Sub(a), b.Round(0).Sub(a.Round(0))) }

// foreign reports whether t is from before the process began. Then it is of a test's clock, which stands still by
// itself.
func (w *watch) foreign(t time.Time) bool { return t.Round(0).Before(w.began.Round(0)) }

// since reports whether there was a pause after t.
func (w *watch) since(t time.Time) bool {
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.over.IsZero() && !w.foreign(t) && !t.After(w.over)
}

var process = start()

func start() *watch {
	w := newWatch(time.Now)
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		w.look()
		timer.Reset(every)
	})
	timer.Reset(every)
	return w
}

// Since reports whether the process stood still after t, for a second or more.
func Since(t time.Time) bool { return process.since(t) }
