package handlers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"sluice/handlers/traffic"
	"sluice/store/pause"
	"sluice/store/share"
)

// Listener gives every write of its connections a deadline that only progress moves. A client may take a large answer
// as slowly as it likes, but a connection that takes no byte for the timeout is closed. http.Server.WriteTimeout would
// end streams, and a deadline around a whole write would end slow readers that do read.
//
// With Memory, it charges the part of a request's head that has arrived to the client's address. That needs Heads.State
// too.
type Listener struct {
	net.Listener
	Timeout     time.Duration
	Memory      *share.Memory
	Descriptors *traffic.Descriptors // nil: not watched

	watches sync.Pool // of *watch, to reuse
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		if l.Descriptors != nil && exhausted(err) {
			l.Descriptors.Exhausted()
		}
		return nil, err
	}
	if l.Descriptors != nil {
		if number, ok := descriptorOf(c); ok {
			l.Descriptors.Observe(number)
		}
	}
	return &progressConn{Conn: c, of: l}, nil
}

// ConnContext is for http.Server. With it, answers that use memory know the connection that sends them.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if progress, _ := progressOf(c); progress != nil {
		return share.WithConn(ctx, progress)
	}
	return ctx
}

// progressOf finds the connection that a Listener has made, which may be below TLS. It returns nil if there is none.
func progressOf(c net.Conn) (progress *progressConn, secure bool) {
	if progress, ok := c.(*progressConn); ok {
		return progress, false
	}
	if above, ok := c.(interface{ NetConn() net.Conn }); ok {
		progress, _ = above.NetConn().(*progressConn)
	}
	return progress, progress != nil
}

type progressConn struct {
	net.Conn
	of      *Listener
	written atomic.Int64
	due     atomic.Int64 // when our deadline of writes is, in nanoseconds since the start; 0: it is somebody else's
	reads   reads

	waits   bool        // Heads counts it
	heading atomic.Bool // a request head is expected or arrives
	plain   bool        // without TLS; set with heading
	head    partialHead
}

// State follows the connection, as http.Server's ConnState does. The bytes read before a request is active are its
// head.
func (c *progressConn) State(state http.ConnState, secure bool) {
	c.heading.Store(false)
	c.head.end()
	c.reads.state(state == http.StateActive)
	if c.of.Memory != nil && (state == http.StateNew || state == http.StateIdle) {
		c.plain = !secure
		c.heading.Store(true)
	}
}

func (c *progressConn) Read(b []byte) (int, error) {
	heading := c.heading.Load()
	if heading && c.head.refused != nil {
		return 0, c.head.refused
	}
	n, err := c.reads.read(c.Conn, b, &c.of.watches)
	if n > 0 && heading {
		if full := c.head.take(c.of.Memory, c.RemoteAddr(), int64(n)); full != nil {
			c.head.refused = refuseHead(c.Conn, c.plain, full)
			return 0, c.head.refused
		}
	}
	return n, err
}

// NetConn returns the connection without the deadline, for writers that do not wait.
func (c *progressConn) NetConn() net.Conn { return c.Conn }

// Replace puts another connection below, for writers that do not wait. It returns the one that was there.
func (c *progressConn) Replace(by net.Conn) (before net.Conn) {
	before, c.Conn = c.Conn, by
	return before
}

// Written returns how many bytes the kernel has taken.
func (c *progressConn) Written() int64 { return c.written.Load() }

// Cut closes the connection of a client that reads too slowly.
func (c *progressConn) Cut() { _ = c.Conn.Close() } // it may be gone

// SetDeadline is for both directions. Nothing but http.Server calls it, for a handshake and before a connection is hijacked.
func (c *progressConn) SetDeadline(t time.Time) error {
	c.due.Store(0)
	return c.reads.setBoth(c.Conn, t)
}

// SetReadDeadline sets the deadline of reads.
func (c *progressConn) SetReadDeadline(t time.Time) error { return c.reads.setDeadline(c.Conn, t) }

// SetWriteDeadline sets the deadline of the write under way. Each write sets its own; http.Server, which removes the deadline
// after each answer, leaves that one.
func (c *progressConn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && c.due.Load() != 0 {
		return nil
	}
	c.due.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

var start = time.Now() // for a clock without steps

// renew moves the deadline of writes. One that leaves the whole timeout is left as it is: setting it takes 2 % of a
// publish. So a client has the timeout at least, and an eighth more at most.
func (c *progressConn) renew(now time.Time) error {
	since := now.Sub(start)
	if due := c.due.Load(); due != 0 && due >= int64(since+c.of.Timeout) {
		return nil
	}
	wait := c.of.Timeout + c.of.Timeout/8
	c.due.Store(int64(since + wait))
	return c.Conn.SetWriteDeadline(now.Add(wait))
}

// piece bounds a single write, so that the progress of a large answer shows.
const piece = 64 << 10

func (c *progressConn) Write(b []byte) (int, error) {
	written := 0
	for {
		begun := time.Now()
		if err := c.renew(begun); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:min(len(b), written+piece)])
		written += n
		c.written.Add(int64(n))
		switch {
		case err == nil && written < len(b):
		case !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 && !pause.Since(begun):
			return written, err
		}
	}
}
