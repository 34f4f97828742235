package writers

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"sluice/broker"
	"sluice/broker/sse"
)

// dropPanicking is deferred: it drops a stream that panics, and lets the other streams of the shard go on.
func (sh *shard) dropPanicking() {
	if cause := recover(); cause != nil {
		sh.serving.Lease.Panicked(cause)
		sh.drop(sh.serving, Failed, errPanic)
	}
}

// serveFrom serves the streams of a round from the i-th on; those that had more to write come first. It returns where it
// stopped: at the end, or after a stream that panicked. One defer for many streams costs less than one for each.
func (sh *shard) serveFrom(again []*Stream, i int) (next int) {
	defer sh.dropPanicking()
	for next = i; next < len(again)+len(sh.work); {
		var s *Stream
		if next < len(again) {
			s = again[next]
			s.socket.again = false
		} else {
			s = sh.streamOf(sh.work[next-len(again)])
		}
		next++
		if s != nil {
			sh.serve(s)
			sh.yieldToOthers()
		}
	}
	return next
}

// serveAgain has a stream served in the next round. It is in the list once: one that was there twice would be served twice,
// and could be added four times.
func (sh *shard) serveAgain(s *Stream) {
	if !s.socket.again {
		s.socket.again = true
		sh.again = append(sh.again, s)
	}
}

// serve writes a stream's events: at most one batch, before the other streams have their turn.
func (sh *shard) serve(s *Stream) {
	sh.serving = s
	if s.web != nil {
		sh.step(s)
		return
	}
	k := &s.socket
	if k.blocked || k.fetching || k.phase == lingering || k.phase == closed {
		return
	}
	now := time.Now()
	if k.phase == open {
		if reason := s.due(now); reason != "" {
			sh.finish(s, reason, nil)
			return
		}
	}
	if k.phase == ending {
		if sh.flush(s) {
			sh.linger(s)
		}
		return
	}
	block, progress := s.Subscriber.Peek(&sh.block, batchBytes)
	switch progress {
	case broker.Behind:
		if s.gathers(0) || sh.flush(s) && sh.pingBehind(s, now) {
			sh.fetches.add(s)
		}
	case broker.Idle:
		if sh.flush(s) && !k.live {
			sh.writeLive(s)
		}
	case broker.More:
		// There is nothing more: write the events that have gathered, and the notice Live.
		if sh.send(s, block) && (!k.live || len(k.rest) > 0 || !s.Subscriber.AtHead()) {
			sh.serveAgain(s)
		}
	}
}

// gathers reports whether n more bytes may wait for the events after them.
func (s *Stream) gathers(n int) bool {
	k := &s.socket
	return s.Batch > 0 && !k.live && !k.blocked && len(k.rest)+n <= s.Batch
}

// writeLive writes the notice Live once to a stream of history.
func (sh *shard) writeLive(s *Stream) {
	s.socket.live = true
	if frame := appendNotice(nil, s, s.notices(sh.config).Live()); len(frame) > 0 {
		sh.writeFrame(s, frame)
	}
}

// writeFrame writes a frame to a stream that has nothing else to write.
func (sh *shard) writeFrame(s *Stream, frame []byte) {
	k := &s.socket
	n, full, err := k.write(frame, nil)
	if err != nil {
		sh.drop(s, Gone, err)
		return
	}
	sh.wrote(s, n)
	if n < len(frame) {
		k.rest = bytes.Clone(frame[n:])
	}
	if full {
		sh.setBlocked(s)
	}
}

// appendNotice appends a notice, as a chunk if the connection is chunked. An empty one adds nothing: an empty chunk would
// end the answer.
func appendNotice(dst []byte, s *Stream, notice []byte) []byte {
	if !s.socket.chunked || len(notice) == 0 {
		return append(dst, notice...)
	}
	at := len(dst)
	return sse.EndChunk(append(sse.BeginChunk(dst), notice...), at)
}

// send writes the unwritten rest and a block, and advances the cursor. It returns false if the connection took less.
func (sh *shard) send(s *Stream, block *broker.Block) bool {
	k := &s.socket
	before := len(k.rest)
	if n := len(block.Bytes); s.gathers(n) && s.charge(sh.config, before+n) {
		k.rest = append(k.rest, block.Bytes...)
		s.Subscriber.Advance(block, n)
		return true
	}
	n, full, err := k.write(k.rest, block.Bytes)
	if err != nil {
		sh.drop(s, Gone, err)
		return false
	}
	sh.wrote(s, n)
	if n < before {
		k.rest = k.rest[n:]
		sh.setBlocked(s)
		return false
	}
	k.rest = nil
	rest := s.Subscriber.Advance(block, n-before)
	if id := block.Fresh(); id != 0 && n > before {
		sh.config.Observer.Delivered(sh.config.Broker.Log().Clock().Age(id))
	}
	if full {
		if !s.charge(sh.config, len(rest)) {
			sh.drop(s, Slow, errMemory)
			return false
		}
		k.rest = bytes.Clone(rest)
		sh.setBlocked(s)
		return false
	}
	s.refund()
	return true
}

// errMemory ends a stream whose client reads slowly and has no memory left for what waits to be written.
var errMemory = errors.New("its credential or address uses as much memory as it may")

// flush writes the unwritten rest, and returns true once nothing is left.
func (sh *shard) flush(s *Stream) bool {
	k := &s.socket
	if !k.unsent() {
		return true
	}
	n, full, err := k.write(k.rest, nil)
	if err != nil {
		sh.drop(s, Gone, err)
		return false
	}
	sh.wrote(s, n)
	k.rest = k.rest[n:]
	if full {
		sh.setBlocked(s)
		return false
	}
	k.rest = nil
	s.refund()
	return true
}

func (sh *shard) wrote(s *Stream, n int) {
	s.bytes.Add(int64(n))
	if n > 0 {
		sh.config.Observer.Wrote(n)
	}
}

// setBlocked leaves the stream alone until the kernel reports room.
func (sh *shard) setBlocked(s *Stream) {
	k := &s.socket
	k.blocked = true
	k.queued = queued(k.fd)
	if k.phase == open {
		k.deadline = clock(time.Now().Add(sh.config.WriteTimeout))
	}
}

// finish ends a stream with a last frame, after the rest of a frame that is half sent.
func (sh *shard) finish(s *Stream, reason broker.End, cause error) {
	k := &s.socket
	if k.phase != open {
		return
	}
	if reason == broker.EndCut {
		sh.drop(s, reason, cause)
		return
	}
	k.phase, k.why = ending, &why{reason, cause}
	k.deadline = clock(time.Now().Add(maxLinger))
	k.rest = sh.appendLastFrame(bytes.Clone(k.rest), s)
	if !k.blocked && sh.flush(s) {
		sh.linger(s)
	}
}

func (sh *shard) appendLastFrame(dst []byte, s *Stream) []byte {
	dst = appendNotice(dst, s, s.notices(sh.config).Last(s.socket.why.reason))
	if s.socket.chunked {
		dst = append(dst, sse.LastChunk...)
	}
	return dst
}

// linger closes the gateway's side only, and waits for the client to close its own: a full close with unread input would
// reset the connection, and destroy the last frame on its way.
func (sh *shard) linger(s *Stream) {
	k := &s.socket
	if k.tls != nil && !sh.closeTLS(s) {
		return
	}
	k.phase, k.deadline = lingering, clock(time.Now().Add(lingerOf(k.why.reason)))
	if err := unix.Shutdown(int(k.fd), unix.SHUT_WR); err != nil {
		sh.drop(s, Gone, err)
		return
	}
	sh.listen(s)
}

// closeTLS tells a client of TLS that nothing follows. It returns false if the connection does not take that yet.
func (sh *shard) closeTLS(s *Stream) bool {
	full, err := s.socket.tls.closeWrite()
	switch {
	case err != nil:
		sh.drop(s, Gone, err)
		return false
	case full:
		sh.setBlocked(s)
		return false
	}
	return true
}

// drop closes the connection at once and ends the lease.
func (sh *shard) drop(s *Stream, reason broker.End, cause error) {
	k := &s.socket
	if k.phase == closed {
		return
	}
	if k.phase == open {
		k.why = &why{reason, cause}
	}
	k.phase = closed
	closeFD(k.fd)
	sh.streams[k.slot] = nil
	sh.generations[k.slot]++
	sh.free = append(sh.free, k.slot)
	k.rest, k.tls = nil, nil
	if s.web != nil {
		s.web.shared.leave()
	}
	s.endIfAlone()
}

// endIfAlone ends a stream whose connection is closed, unless a goroutine still works for it; that one does so then.
func (s *Stream) endIfAlone() {
	if k := &s.socket; k.phase == closed && !k.fetching && (s.web == nil || s.web.shared.jobs == 0) {
		s.end(k.why.reason, k.why.cause)
	}
}

// appendOpening appends a stream's first notice.
func appendOpening(dst []byte, s *Stream, chunked bool) []byte {
	at := len(dst)
	if chunked {
		dst = sse.BeginChunk(dst)
	}
	if s.Notices == nil {
		dst = s.Subscriber.AppendOpening(dst) // 2 KiB of padding, which need no copy
	} else {
		dst = append(dst, s.Notices.Opening(s.Subscriber)...)
	}
	if chunked {
		dst = sse.EndChunk(dst, at)
	}
	return dst
}
