package handlers_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"sluice/handlers"
)

// deadlineConn records the deadlines for writes.
type deadlineConn struct {
	net.Conn
	until time.Time
	set   int
}

func (c *deadlineConn) Write(b []byte) (int, error) { return len(b), nil }

func (c *deadlineConn) SetDeadline(t time.Time) error { return c.SetWriteDeadline(t) }

func (c *deadlineConn) SetWriteDeadline(t time.Time) error {
	c.until = t
	c.set++
	return nil
}

// oneListener accepts one connection.
type oneListener struct {
	net.Listener
	conn net.Conn
}

func (l oneListener) Accept() (net.Conn, error) { return l.conn, nil }

// TestWritesShareDeadlines: every write has the whole timeout, and at most a quarter more. Writes that follow one another
// closely do not set deadlines of their own, unless somebody else has set one.
func TestWritesShareDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 8 * time.Second
		inner := &deadlineConn{}
		c, err := (&handlers.Listener{Listener: oneListener{conn: inner}, Timeout: timeout}).Accept()
		if err != nil {
			t.Fatal(err)
		}
		write := func() {
			t.Helper()
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if left := time.Until(inner.until); left < timeout || left > timeout+timeout/4 {
				t.Errorf("a write has %s", left)
			}
		}
		for range 100 {
			write()
			time.Sleep(timeout / 100)
		}
		if inner.set > 5 {
			t.Errorf("%d deadlines were set", inner.set)
		}
		for _, other := range []func(time.Time) error{c.SetDeadline, c.SetWriteDeadline} {
			for _, at := range []time.Time{{}, time.Now(), time.Now().Add(time.Hour)} {
				if err := other(at); err != nil || !inner.until.Equal(at) {
					t.Errorf("%s is not set, but %s: %v", at, inner.until, err)
				}
				write()
			}
		}
	})
}
