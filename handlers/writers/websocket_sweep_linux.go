package writers

import (
	"sync/atomic"
	"time"

	"sluice/handlers/wsframe"
)

// checkSocket does for an open socket what is due by the clock.
func (sh *shard) checkSocket(s *Stream, now time.Time) {
	k, w := &s.socket, s.web
	h := &w.shared
	if h.flags.cut.Load() {
		sh.drop(s, Slow, nil)
		return
	}
	switch {
	case h.readBy == 0:
	case !s.reads(): // the rest may have arrived
		h.readBy = clock(now.Add(w.options.ReadTimeout))
	case timedOut(&h.readBy, w.options.ReadTimeout, now):
		sh.drop(s, Gone, errHalf)
		return
	}
	if k.blocked {
		sh.checkBlockedSocket(s, now)
		return
	}
	h.overBy = 0
	ping, alive := w.sayPing(now, sh.config.WriteTimeout, !s.reads())
	switch {
	case !alive:
		sh.drop(s, Slow, errNoPong)
		return
	case ping:
		k.rest = wsframe.AppendPing(k.rest)
	}
	if w.busy() {
		if ping { // what the conversation does may take longer than the client waits
			sh.flushSocket(s, now)
		}
		return
	}
	some, err := w.conv.Tick(now)
	switch {
	case err != nil:
		sh.fail(s, err, now)
	case some || ping || h.more || s.Subscriber.Ending() != "":
		sh.step(s)
	}
}

// checkBlockedSocket ends a socket whose client takes nothing, or takes too little while it must end.
func (sh *shard) checkBlockedSocket(s *Stream, now time.Time) {
	k, w := &s.socket, s.web
	h := &w.shared
	if left := queued(k.fd); left < h.left {
		h.left = left
		if !w.busy() {
			w.conv.Wrote(len(k.rest), now)
		}
	}
	if !w.busy() {
		if reason := s.Subscriber.Ending(); reason != "" {
			sh.close(s, w.closing(reason, nil))
			return
		}
		switch who := w.conv.Identity(); {
		case who == nil || who.Over(now) == nil:
			h.overBy = 0
		case h.overBy == 0: // as long as a stream has for its last frame
			h.overBy = clock(now.Add(maxLinger))
		case timedOut(&h.overBy, maxLinger, now):
			sh.drop(s, Gone, errStalled)
			return
		}
	}
	sh.checkBlocked(s, now)
}

// arm sets a timer for what is due before the next sweep.
func (sh *shard) arm(s *Stream, now time.Time) {
	h := &s.web.shared
	if h.timed {
		return
	}
	due := s.web.conv.Due()
	if due.IsZero() || due.Sub(now) >= sweepEvery {
		return
	}
	h.timed = true
	time.AfterFunc(due.Sub(now), func() {
		defer s.contain()
		sh.poke(s)
	})
}

// pokes are what other goroutines ask of a socket.
type pokes struct {
	poked atomic.Bool // it is in the shard's list
	cut   atomic.Bool // it is to be dropped
}

// poke has the shard look at a socket. Any goroutine may call it.
func (sh *shard) poke(s *Stream) {
	if s.web.shared.flags.poked.Swap(true) {
		return
	}
	sh.mu.Lock()
	sh.poked = append(sh.poked, s)
	sh.mu.Unlock()
	sh.group.Kick()
}

// lookAt looks at a socket because of a poke.
func (sh *shard) lookAt(s *Stream) {
	sh.serving = s
	defer sh.dropPanicking()
	h := &s.web.shared
	h.flags.poked.Store(false)
	h.timed = false
	if s.socket.phase == open {
		sh.checkSocket(s, time.Now())
	}
}
