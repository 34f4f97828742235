package writers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"sluice/broker"
	"sluice/handlers/wsframe"
)

// sharedSocket is what the shared writer knows of a socket in addition to its connection.
type sharedSocket struct {
	unread  []byte // was read, and waits until the message before it was handled
	jobs    int8   // goroutines that work for the socket
	taking  bool   // one of them handles a message
	working bool   // one of them does what Serve would have waited for
	owes    bool   // an answer was not sent yet, so that nothing is read
	more    bool   // there may be something to read
	missed  bool   // a subscriber has woken the socket while another goroutine had the conversation
	timed   bool   // a timer runs for what is due before the next sweep
	flags   pokes
	left    int32 // bytes that the kernel had for a blocked client at the last look
	readBy  int64 // when what has begun to arrive must be there; 0: nothing has begun
	overBy  int64 // when a client that takes nothing is cut, as its credential has ended; 0: it has not

	// These end the contexts of the goroutines.
	endTake context.CancelFunc
	endWork context.CancelFunc
}

// readBytes is how much is read at once, and with it how much waits while a message is handled.
const readBytes = 8 << 10

// maxReads bounds how often a socket is read before the others have their turn.
const maxReads = 8

// busy reports whether another goroutine has the conversation for itself.
func (w *webSocket) busy() bool {
	return w.shared.working || w.shared.taking && w.options.Exclusive
}

// reads reports whether the socket may be read now: a client that sends faster than it reads its answers is made to wait. TLS
// reads nothing while its client takes nothing.
func (s *Stream) reads() bool {
	h := &s.web.shared
	return !h.taking && !h.owes && !(h.working && s.web.options.Exclusive) && !s.socket.deaf()
}

// wakeFrom names the subscribers of a round to their sockets, from the i-th on. It returns where it stopped, as serveFrom.
func (sh *shard) wakeFrom(i int) (next int) {
	defer sh.dropPanicking()
	for next = i; next < len(sh.work); {
		sub := sh.work[next]
		next++
		s := sh.streamOf(sub)
		if s == nil || s.web == nil || !s.web.options.Several {
			continue
		}
		if s.web.busy() {
			s.web.shared.missed = true
			continue
		}
		sh.serving = s
		s.web.conv.Woken(sub)
	}
	return next
}

// step does what there is to do for a socket now: it reads, and then writes.
func (sh *shard) step(s *Stream) {
	k, h := &s.socket, &s.web.shared
	now := time.Now()
	if k.phase == open && h.more && s.reads() {
		sh.hear(s, now)
	}
	switch k.phase {
	case open:
		sh.say(s, now)
	case ending:
		if !k.blocked && sh.flush(s) {
			sh.linger(s)
		}
	}
}

// eventOfSocket is the kernel's report about an open socket.
func (sh *shard) eventOfSocket(s *Stream, events uint32) {
	k := &s.socket
	if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 || events&unix.EPOLLRDHUP != 0 && k.deaf() {
		sh.drop(s, Gone, nil) // neither side can send, or nothing can be read to see if there is a close
		return
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
		s.web.shared.more = true
	}
	if events&unix.EPOLLOUT != 0 {
		k.blocked = false
	}
	sh.step(s)
}

// hear reads what the client has sent, up to the end of a message.
func (sh *shard) hear(s *Stream, now time.Time) {
	h := &s.web.shared
	if rest := h.unread; len(rest) > 0 {
		h.unread = nil
		if !sh.understand(s, rest, now) {
			return
		}
	}
	if sh.heard == nil {
		sh.heard = make([]byte, readBytes)
	}
	for range maxReads {
		n, again, err := s.socket.read(sh.heard)
		switch {
		case again:
			h.more = false
			return
		case errors.Is(err, io.EOF):
			sh.drop(s, Gone, nil)
			return
		case err != nil:
			sh.drop(s, Gone, err)
			return
		}
		if !sh.understand(s, sh.heard[:n], now) {
			return
		}
		if s.socket.unsent() { // pongs, or answers of crypto/tls: their client takes them first
			break
		}
	}
	sh.serveAgain(s)
}

// understand does what the next bytes of a client ask for. It returns false if nothing more is to be read now.
func (sh *shard) understand(s *Stream, b []byte, now time.Time) bool {
	k, w := &s.socket, s.web
	h := &w.shared
	for len(b) > 0 {
		w.reader.Limit = w.conv.MaxMessage()
		rest, e, err := w.reader.Read(b)
		if err != nil {
			sh.close(s, faulty(err))
			return false
		}
		b = rest
		if e.Kind != wsframe.Partial && !w.reader.Under() {
			h.readBy = 0 // what begins behind it has a time of its own
		}
		switch e.Kind {
		case wsframe.Ping:
			k.rest = wsframe.AppendPong(k.rest, e.Payload)
			h.owes = true
		case wsframe.Pong:
			w.pongBy = 0
		case wsframe.Close:
			sh.close(s, Closing{Reason: Gone, Code: e.Code})
			return false
		case wsframe.Whole:
			w.pongBy = 0
			h.unread = bytes.Clone(b)
			sh.startTake(s, e.Message)
			return false
		}
	}
	switch {
	case !w.reader.Under():
		h.readBy = 0
	case h.readBy == 0:
		h.readBy = clock(now.Add(w.options.ReadTimeout))
	}
	return true
}

// say writes what there is to say: at most one batch, before the others have their turn.
func (sh *shard) say(s *Stream, now time.Time) {
	k, w := &s.socket, s.web
	h := &w.shared
	if k.blocked || !sh.flushSocket(s, now) {
		return
	}
	if w.busy() {
		return
	}
	said, err := w.conv.Serve(&sh.turn, now)
	whole := len(said.Frames) == 0 || sh.utter(s, &said, now)
	switch reason := s.Subscriber.Ending(); {
	case k.phase != open:
		return
	case err != nil:
		sh.close(s, w.closing("", err))
		return
	case reason != "" && !said.Owes:
		sh.close(s, w.closing(reason, nil))
		return
	case !whole:
		return
	}
	if h.owes && !said.Owes {
		h.answered()
	}
	switch {
	case said.Next == broker.Behind:
		sh.startWork(s)
	case said.Next == broker.More || h.more && s.reads():
		sh.serveAgain(s)
	}
	sh.arm(s, now)
}

// answered lets the next message in.
func (h *sharedSocket) answered() {
	if h.owes = false; h.endTake != nil && !h.taking {
		h.endTake()
		h.endTake = nil
	}
}

// utter writes frames to a socket that has nothing else to write. It returns false if the connection took less.
func (sh *shard) utter(s *Stream, said *Say, now time.Time) bool {
	k, w := &s.socket, s.web
	n, full, err := k.write(said.Frames, nil)
	if err != nil {
		sh.drop(s, Gone, err)
		return false
	}
	sh.wroteSocket(s, n)
	rest := said.Frames[n:]
	if len(rest) > 0 && !said.Own {
		if !s.charge(sh.config, len(rest)) {
			sh.drop(s, Slow, errMemory)
			return false
		}
		rest = bytes.Clone(rest)
	}
	w.conv.Wrote(len(rest), now)
	if k.rest = nil; len(rest) > 0 {
		k.rest = rest
	}
	if full {
		sh.setBlocked(s)
		w.shared.left = k.queued
	}
	return !full
}

func (sh *shard) wroteSocket(s *Stream, n int) {
	sh.wrote(s, n)
	s.web.written.Add(int64(n))
}

// flushSocket writes the unwritten rest, and returns true once nothing is left.
func (sh *shard) flushSocket(s *Stream, now time.Time) bool {
	k := &s.socket
	if !k.unsent() {
		return true
	}
	before := s.bytes.Load()
	done := sh.flush(s)
	s.web.written.Add(s.bytes.Load() - before)
	if k.phase == closed {
		return false
	}
	if !s.web.busy() {
		s.web.conv.Wrote(len(k.rest), now)
	}
	if !done {
		s.web.shared.left = k.queued
	}
	return done
}

// fail ends a socket by an error of the conversation, after what that has still to say.
func (sh *shard) fail(s *Stream, err error, now time.Time) {
	k, w := &s.socket, s.web
	if !errors.Is(err, errPanic) && !w.busy() {
		said, _ := w.conv.Serve(&sh.turn, now) // the first error counts
		if k.rest = append(k.rest, said.Frames...); !k.blocked {
			sh.flushSocket(s, now)
		}
	}
	if k.phase == open {
		sh.close(s, w.closing("", err))
	}
}

// close ends a socket, after the rest of a frame that is half sent.
func (sh *shard) close(s *Stream, c Closing) {
	k := &s.socket
	if k.phase != open {
		return
	}
	if c.Code == 0 {
		sh.drop(s, c.Reason, c.Cause)
		return
	}
	k.phase, k.why = ending, &why{c.Reason, c.Cause}
	k.deadline = clock(time.Now().Add(lingerOf(c.Reason)))
	k.rest = wsframe.AppendClose(bytes.Clone(k.rest), c.Code, c.Text)
	s.web.shared.leave()
	if !k.blocked && sh.flush(s) {
		sh.linger(s)
	}
}
