package handlers

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"sluice/broker/share"
)

// Listener gives every write of its connections a deadline that only progress moves: a client may
// take a large answer as slowly as it likes, but one that takes no byte for the timeout is closed.
// http.Server.WriteTimeout would end streams, and a deadline around a whole write would end slow
// readers that do read.
type Listener struct {
	net.Listener
	Timeout time.Duration
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &progressConn{Conn: c, timeout: l.Timeout}, nil
}

// ConnContext is http.Server's: by it, answers that hold memory know the connection they leave by.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(interface{ NetConn() net.Conn }); ok {
		if inner, ok := secure.NetConn().(*progressConn); ok { // below TLS
			c = inner
		}
	}
	if progress, ok := c.(*progressConn); ok {
		return share.WithConn(ctx, progress)
	}
	return ctx
}

type progressConn struct {
	net.Conn
	timeout time.Duration
	written atomic.Int64
}

// NetConn is the connection without its deadline, for who writes without waiting.
func (c *progressConn) NetConn() net.Conn { return c.Conn }

// Written returns how many bytes the kernel has taken.
func (c *progressConn) Written() int64 { return c.written.Load() }

// Cut closes the connection of a client that reads too slowly.
func (c *progressConn) Cut() { _ = c.Conn.Close() } // it may be gone

// piece is written at once, so that the progress of a large answer is seen.
const piece = 64 << 10

func (c *progressConn) Write(b []byte) (int, error) {
	written := 0
	for {
		if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:min(len(b), written+piece)])
		written += n
		c.written.Add(int64(n))
		switch {
		case err == nil && written < len(b):
		case n == 0 || !errors.Is(err, os.ErrDeadlineExceeded):
			return written, err
		}
	}
}
