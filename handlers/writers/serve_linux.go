package writers

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"sluice/broker"
	"sluice/broker/sse"
)

// contain drops a stream in which something panics, and lets the others of the shard go on. It is for a defer.
func (h *shard) contain() {
	if cause := recover(); cause != nil {
		h.serving.Lease.Panicked(cause)
		h.drop(h.serving, Failed, errPanic)
	}
}

// serveFrom serves the streams of a round from the i-th on, first those that had more to be written. It returns how far it
// came: to the end, or behind a stream that has panicked. One defer for many streams costs less than one for each.
func (h *shard) serveFrom(again []*Stream, i int) (next int) {
	defer h.contain()
	for next = i; next < len(again)+len(h.work); {
		var s *Stream
		if next < len(again) {
			s = again[next]
		} else {
			s = h.of(h.work[next-len(again)])
		}
		next++
		if s != nil {
			h.serve(s)
			h.breathe()
		}
	}
	return next
}

// serve writes what there is for a stream, at most one batch before the others have their turn.
func (h *shard) serve(s *Stream) {
	h.serving = s
	k := &s.socket
	if k.blocked || k.fetching || k.phase == lingering || k.phase == closed {
		return
	}
	if k.phase == open {
		if reason := s.due(time.Now()); reason != "" {
			h.finish(s, reason, nil)
			return
		}
	}
	if k.phase == ending {
		if h.flush(s) {
			h.linger(s)
		}
		return
	}
	block, progress := s.Subscriber.Peek(&h.block, batchBytes)
	switch progress {
	case broker.Behind:
		if s.gathers(0) || h.flush(s) {
			h.fetches.add(s)
		}
	case broker.Idle:
		if h.flush(s) && !k.live {
			h.tellLive(s)
		}
	case broker.More:
		// What has gathered, and that the present is reached, is written once there is nothing more.
		if h.send(s, block) && (!k.live || len(k.rest) > 0 || !s.Subscriber.AtHead()) {
			h.again = append(h.again, s)
		}
	}
}

// gathers reports whether n more bytes may wait for what comes behind them.
func (s *Stream) gathers(n int) bool {
	k := &s.socket
	return s.Batch > 0 && !k.live && !k.blocked && len(k.rest)+n <= s.Batch
}

// tellLive tells a stream of history, once, that it has reached the present.
func (h *shard) tellLive(s *Stream) {
	s.socket.live = true
	if frame := appendWords(nil, s, s.words(h.config).Live()); len(frame) > 0 {
		h.say(s, frame)
	}
}

// say writes a frame to a stream that has nothing else to be written.
func (h *shard) say(s *Stream, frame []byte) {
	k := &s.socket
	n, err := write(k.fd, frame, nil)
	if err != nil {
		h.drop(s, Gone, err)
		return
	}
	h.wrote(s, n)
	if n < len(frame) {
		k.rest = bytes.Clone(frame[n:])
		h.blockedNow(s)
	}
}

// appendWords appends words as the connection wants them; nothing for none.
func appendWords(dst []byte, s *Stream, words []byte) []byte {
	if !s.socket.chunked || len(words) == 0 {
		return append(dst, words...)
	}
	at := len(dst)
	return sse.EndChunk(append(sse.BeginChunk(dst), words...), at)
}

// send writes what is left and a block, and moves the cursor. It is false where the connection took less.
func (h *shard) send(s *Stream, block *broker.Block) bool {
	k := &s.socket
	before := len(k.rest)
	if n := len(block.Bytes); s.gathers(n) && s.hold(h.config, before+n) {
		k.rest = append(k.rest, block.Bytes...)
		s.Subscriber.Advance(block, n)
		return true
	}
	n, err := write(k.fd, k.rest, block.Bytes)
	if err != nil {
		h.drop(s, Gone, err)
		return false
	}
	h.wrote(s, n)
	if n < before {
		k.rest = k.rest[n:]
		h.blockedNow(s)
		return false
	}
	k.rest = nil
	rest := s.Subscriber.Advance(block, n-before)
	if id := block.Fresh(); id != 0 && n > before {
		h.config.Observer.Delivered(h.config.Broker.Log().Clock().Age(id))
	}
	if n-before < len(block.Bytes) {
		if !s.hold(h.config, len(rest)) {
			h.drop(s, Slow, errHeld)
			return false
		}
		k.rest = bytes.Clone(rest)
		h.blockedNow(s)
		return false
	}
	s.written()
	return true
}

// errHeld is why a stream ends whose client reads slowly what there is no room for.
var errHeld = errors.New("its credential or address holds as much memory as it may")

// flush writes what is left, and is true when there is nothing any more.
func (h *shard) flush(s *Stream) bool {
	k := &s.socket
	if len(k.rest) == 0 {
		return true
	}
	n, err := write(k.fd, k.rest, nil)
	if err != nil {
		h.drop(s, Gone, err)
		return false
	}
	h.wrote(s, n)
	if n < len(k.rest) {
		k.rest = k.rest[n:]
		h.blockedNow(s)
		return false
	}
	k.rest = nil
	s.written()
	return true
}

func (h *shard) wrote(s *Stream, n int) {
	s.bytes += int64(n)
	if n > 0 {
		h.config.Observer.Wrote(n)
	}
}

// blockedNow leaves the stream until the kernel tells that there is room.
func (h *shard) blockedNow(s *Stream) {
	k := &s.socket
	k.blocked = true
	k.queued = queued(k.fd)
	if k.phase == open {
		k.deadline = clock(time.Now().Add(h.config.WriteTimeout))
	}
}

// finish ends a stream with a last frame, after what is left of the one half sent.
func (h *shard) finish(s *Stream, reason broker.End, cause error) {
	k := &s.socket
	if k.phase != open {
		return
	}
	if reason == broker.EndCut {
		h.drop(s, reason, cause)
		return
	}
	k.phase, k.reason, k.cause = ending, reason, cause
	k.deadline = clock(time.Now().Add(lingerMost))
	k.rest = h.appendLastFrame(bytes.Clone(k.rest), s)
	if !k.blocked && h.flush(s) {
		h.linger(s)
	}
}

func (h *shard) appendLastFrame(dst []byte, s *Stream) []byte {
	dst = appendWords(dst, s, s.words(h.config).Last(s.socket.reason))
	if s.socket.chunked {
		dst = append(dst, sse.LastChunk...)
	}
	return dst
}

// linger says that we are done and waits for the client to close: a close with unread input would reset
// the connection, and destroy the last frame on its way.
func (h *shard) linger(s *Stream) {
	k := &s.socket
	k.phase, k.deadline = lingering, clock(time.Now().Add(lingerMost))
	if err := unix.Shutdown(int(k.fd), unix.SHUT_WR); err != nil {
		h.drop(s, Gone, err)
		return
	}
	h.listen(s)
}

// drop closes the connection as it is and gives the stream back.
func (h *shard) drop(s *Stream, reason broker.End, cause error) {
	k := &s.socket
	if k.phase == closed {
		return
	}
	if k.phase != open {
		reason, cause = k.reason, k.cause
	}
	k.phase, k.reason, k.cause = closed, reason, cause
	closeFD(k.fd)
	h.streams[k.slot] = nil
	h.born[k.slot]++
	h.free = append(h.free, k.slot)
	k.rest = nil
	if !k.fetching {
		s.end(reason, cause)
	}
}

// appendOpening appends a stream's first words.
func appendOpening(dst []byte, s *Stream, chunked bool) []byte {
	at := len(dst)
	if chunked {
		dst = sse.BeginChunk(dst)
	}
	if s.Words == nil {
		dst = s.Subscriber.AppendOpening(dst) // 2 KiB of padding, which need no copy
	} else {
		dst = append(dst, s.Words.Opening(s.Subscriber)...)
	}
	if chunked {
		dst = sse.EndChunk(dst, at)
	}
	return dst
}
