package writers

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/wsframe"
	"sluice/store/share"
)

// Conversation is what a door says on one socket, and does about what it hears. Its writer reads, writes, answers pings and
// closes. Of the methods, only Take may be called at the same time as another, and not if the socket is exclusive. Taken, Due,
// MaxMessage and Closing may be called while Work runs, so they use nothing that Work changes.
//
//	                     Take, Taken
//	client --> reading -----------------+
//	              ^                     v
//	              +--- once the answer  Serve <--- events, Tick
//	                   was written       |  ^
//	                                     v  |
//	                                     Work: what Serve would have to wait for
type Conversation interface {
	// Serve returns what to send next. It never waits. After an error the socket ends, once that was sent.
	Serve(t *Turn, now time.Time) (Say, error)
	// Woken is called with a subscriber that may have something new or was ended; nil stands for all that there are.
	Woken(s *broker.Subscriber)
	// Work does, in a goroutine of its own, what Serve has said that it would have to wait for.
	Work(ctx context.Context) error
	// Take handles a message, in a goroutine of its own. The next one is read once Taken was called, and the answer was sent.
	// The context ends then, or earlier if the socket ends.
	Take(ctx context.Context, m *wsframe.Message) error
	Taken()
	// Tick does what is due. It returns true if Serve has something to send then.
	Tick(now time.Time) (bool, error)
	// Due returns when Tick is to be called next; the zero time: never.
	Due() time.Time
	// Wrote is called after each write, and when a waiting client has taken something, with the bytes that are left.
	Wrote(left int, now time.Time)
	// MaxMessage returns the most bytes that the next message may have.
	MaxMessage() int64
	// Identity returns the identity that must last while something is being written; nil: none.
	Identity() *auth.Identity
	// Closing returns how the socket ends: for a reason from outside, or by an error of the methods.
	Closing(reason broker.End, err error) Closing
}

// Say is what a conversation sends next.
type Say struct {
	Frames []byte          // whole frames; valid until the next call
	Own    bool            // nobody uses the memory of Frames again, and the door has charged it
	Next   broker.Progress // More: call Serve again; Behind: call Work, then Serve
	Owes   bool            // the answer to the last message is still to come
}

// Closing is how a socket ends.
type Closing struct {
	Reason broker.End
	Cause  error
	Code   websocket.StatusCode // 0: without a close
	Text   string
}

// Turn is what the sockets of one goroutine use in turn while they are served.
type Turn struct {
	Block broker.Block
	Out   []byte // for frames
	Memo  any    // of the door

	// Position is the position up to which all subscribers of the socket were named to Woken that have something.
	Position uint64
}

// trim gives back what large events have made grow.
func (t *Turn) trim() {
	if cap(t.Out) > 4*batchBytes {
		t.Out, t.Memo = nil, nil // it may have parts of Out
	}
	if cap(t.Block.Bytes) > 4*batchBytes {
		t.Block, t.Memo = broker.Block{}, nil
	}
}

// SocketOptions are what all sockets of a door have in common.
type SocketOptions struct {
	// Exclusive sockets do one thing at a time: nothing is sent while a message is handled, and the socket does not end.
	Exclusive bool
	// Several sockets have more than one subscriber: Woken is called for all that have something, before Serve is.
	Several bool
	// Ping is the time between pings; 0: none. A client has the write timeout for a pong or a message.
	Ping time.Duration
	// ReadTimeout is how long a frame or a message may take to arrive.
	ReadTimeout time.Duration
	// SkipLong skips messages that are too long, up to 16 times the limit.
	SkipLong bool
}

// webSocket is a socket, for either writer.
type webSocket struct {
	conv    Conversation
	options *SocketOptions
	reader  wsframe.Reader
	written atomic.Int64 // bytes that the connection has taken

	nextPing int64 // as clock counts, like the next
	pongBy   int64 // when a pong must have come; 0: none is expected

	shared sharedSocket
}

func newWebSocket(conv Conversation, o *SocketOptions, account *share.Account) *webSocket {
	w := &webSocket{conv: conv, options: o, nextPing: clock(time.Now().Add(o.Ping))}
	w.reader.Account, w.reader.SkipLong = account, o.SkipLong
	return w
}

// contain is deferred by goroutines of a stream: their panics end the stream.
func (s *Stream) contain() {
	if cause := recover(); cause != nil {
		s.Lease.Panicked(cause)
	}
}

// sayPing returns true if a ping is due. It also returns false if the client has not answered the last one in time.
func (w *webSocket) sayPing(now time.Time, timeout time.Duration, busy bool) (ping, alive bool) {
	if w.options.Ping == 0 {
		return false, true
	}
	if w.pongBy != 0 {
		switch {
		case busy: // the pong is behind what is not read yet
			w.pongBy = clock(now.Add(timeout))
		case timedOut(&w.pongBy, timeout, now):
			return false, false
		}
	}
	if clock(now) < w.nextPing {
		return false, true
	}
	w.nextPing = clock(now.Add(w.options.Ping))
	if w.pongBy != 0 {
		return false, true
	}
	w.pongBy = clock(now.Add(timeout))
	return true, true
}

// closing returns how a socket ends; a panic ends it as failed.
func (w *webSocket) closing(reason broker.End, err error) Closing {
	if errors.Is(err, errPanic) {
		return w.conv.Closing(Failed, nil)
	}
	return w.conv.Closing(reason, err)
}
