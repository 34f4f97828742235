package stream

import (
	"sync/atomic"
	"time"
)

// lingerMost is how long a client may take for its last frame, and then for its goodbye.
const lingerMost = time.Second

// stalled cuts off a client that takes little or nothing of what is written to a stream that is over: a write waits as
// long as some byte is taken within WRITE_TIMEOUT, which can be for ever, and no stream outlives its credential.
type stalled struct {
	over    func() bool
	cut     func()
	timer   *time.Timer // runs while something is being written
	writing atomic.Bool
}

func newStalled(over func() bool, cut func()) *stalled {
	s := &stalled{over: over, cut: cut}
	s.timer = time.AfterFunc(time.Hour, s.look)
	s.timer.Stop()
	return s
}

func (s *stalled) begin() {
	s.writing.Store(true)
	s.timer.Reset(lingerMost)
}

func (s *stalled) end() {
	s.writing.Store(false)
	s.timer.Stop()
}

func (s *stalled) look() {
	if !s.writing.Load() {
		return
	}
	if s.over() {
		s.cut()
	}
	s.timer.Reset(lingerMost)
}
