package handlers

import (
	"errors"
	"net"
	"os"
	"time"
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

type progressConn struct {
	net.Conn
	timeout time.Duration
}

// NetConn is the connection without its deadline, for who writes without waiting.
func (c *progressConn) NetConn() net.Conn { return c.Conn }

func (c *progressConn) Write(b []byte) (int, error) {
	written := 0
	for {
		if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(b[written:])
		written += n
		if n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
	}
}
