package stream

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"sluice/broker"
	"sluice/broker/sse"
)

// serve writes what there is for a stream, at most one batch before the others have their turn.
func (h *shard) serve(s *Stream) {
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
		if h.flush(s) {
			h.fetches.add(s)
		}
	case broker.Idle:
		h.flush(s)
	case broker.More:
		if h.send(s, block) && !s.Subscriber.AtHead() {
			h.again = append(h.again, s)
		}
	}
}

// send writes what is left and a block, and moves the cursor. It is false where the connection took less.
func (h *shard) send(s *Stream, block *broker.Block) bool {
	k := &s.socket
	before := len(k.rest)
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
		k.deadline = millis(time.Now().Add(h.config.WriteTimeout))
	}
}

// finish ends a stream with a last frame, after what is left of the one half sent.
func (h *shard) finish(s *Stream, reason string, cause error) {
	k := &s.socket
	if k.phase != open {
		return
	}
	if reason == broker.EndCut {
		h.drop(s, reason, cause)
		return
	}
	k.phase, k.reason, k.cause = ending, reason, cause
	k.deadline = millis(time.Now().Add(lingerMost))
	k.rest = h.appendLastFrame(bytes.Clone(k.rest), s)
	if !k.blocked && h.flush(s) {
		h.linger(s)
	}
}

func (h *shard) appendLastFrame(dst []byte, s *Stream) []byte {
	last := s.words(h.config).Last(s.socket.reason)
	if !s.socket.chunked {
		return append(dst, last...)
	}
	at := len(dst)
	dst = sse.EndChunk(append(sse.BeginChunk(dst), last...), at)
	return append(dst, sse.LastChunk...)
}

// linger says that we are done and waits for the client to close: a close with unread input would reset
// the connection, and destroy the last frame on its way.
func (h *shard) linger(s *Stream) {
	k := &s.socket
	k.phase, k.deadline = lingering, millis(time.Now().Add(lingerMost))
	if err := unix.Shutdown(int(k.fd), unix.SHUT_WR); err != nil {
		h.drop(s, Gone, err)
		return
	}
	h.listen(s)
}

// drop closes the connection as it is and gives the stream back.
func (h *shard) drop(s *Stream, reason string, cause error) {
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
		h.config.end(s, reason, cause)
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
