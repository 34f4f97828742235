package writers

import (
	"sync/atomic"
	"time"

	"sluice/broker"
	"sluice/store/pause"
)

// maxLinger is how long a client may take for its last frame, and then for its goodbye.
const maxLinger = time.Second

// crowdLinger is maxLinger for a socket whose place another one has already.
const crowdLinger = 100 * time.Millisecond

func lingerOf(reason broker.End) time.Duration {
	if reason == Crowd {
		return crowdLinger
	}
	return maxLinger
}

// began is what times of connections are counted from: by the clock that nobody sets.
var began = time.Now()

// clock counts in milliseconds.
func clock(t time.Time) int64 { return t.Sub(began).Milliseconds() }

// timedOut reports whether a time limit is over. If the process itself stood still meanwhile, it is not over, and begins
// anew.
func timedOut(deadline *int64, long time.Duration, now time.Time) bool {
	if clock(now) < *deadline {
		return false
	}
	if !pause.Since(began.Add(time.Duration(*deadline)*time.Millisecond - long)) {
		return true
	}
	*deadline = clock(now.Add(long))
	return false
}

// stalled cuts off a client that takes too little of a stream that has ended. A write waits as long as the client takes some
// byte within WRITE_TIMEOUT, which can be forever, but no stream may outlive its credential. Over HTTP/2 it also enforces
// WRITE_TIMEOUT, since the connection does not see one stream's flow control.
type stalled struct {
	over    func() bool
	cut     func()
	lease   Lease         // logs a panic of the timer
	max     time.Duration // that a write may take; 0: the connection has a time of its own
	timer   *time.Timer
	running atomic.Bool // the timer; it runs on behind a write, since most streams soon write again
	writing atomic.Bool
	until   atomic.Int64 // when the write has taken max, as clock counts
}

func newStalled(over func() bool, cut func(), lease Lease, max time.Duration) *stalled {
	s := &stalled{over: over, cut: cut, lease: lease, max: max}
	s.timer = time.AfterFunc(time.Hour, s.look)
	s.timer.Stop()
	return s
}

func (s *stalled) begin() {
	s.until.Store(clock(time.Now().Add(s.max)))
	s.writing.Store(true)
	if !s.running.Swap(true) {
		s.timer.Reset(s.checkInterval())
	}
}

// checkInterval is how often a write that waits is looked at.
func (s *stalled) checkInterval() time.Duration {
	if s.max > 0 {
		return min(maxLinger, s.max)
	}
	return maxLinger
}

func (s *stalled) late() bool {
	was := s.until.Load()
	until := was
	over := timedOut(&until, s.max, time.Now())
	s.until.CompareAndSwap(was, until) // unless another write has begun
	return over
}

func (s *stalled) end() { s.writing.Store(false) }

// close stops the timer.
func (s *stalled) close() { s.timer.Stop() }

// look is called by the timer, in a goroutine of its own.
func (s *stalled) look() {
	defer s.contain()
	if !s.writing.Load() {
		s.running.Store(false)
		if !s.writing.Load() || s.running.Swap(true) {
			return
		}
	}
	wait := s.checkInterval() // that the write has had by now
	begun := s.until.Load() - s.max.Milliseconds()
	if left := time.Duration(begun-clock(time.Now()))*time.Millisecond + wait; left > 0 {
		s.timer.Reset(left)
		return
	}
	s.timer.Reset(wait) // first, so that a panic does not leave the write alone
	if s.over() || s.max > 0 && s.late() {
		s.cut()
	}
}

func (s *stalled) contain() {
	if cause := recover(); cause != nil {
		s.lease.Panicked(cause)
	}
}
