package handlers

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// deadlines counts the deadlines of writes that a connection is given.
type deadlines struct {
	net.Conn
	writes int
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.writes++
	return d.Conn.SetWriteDeadline(t)
}

// TestWriteDeadline: a client that takes nothing is given up after the timeout and at most an eighth more, however the
// writes before were placed; and a deadline is set only where the one before leaves less than the timeout.
func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	const timeout = 8 * time.Second
	for name, tt := range map[string]struct {
		apart     time.Duration // between two writes
		moved     []time.Time   // by somebody else after each write
		deadlines int           // for ten writes
	}{
		"at once":       {0, nil, 1},
		"a tenth apart": {timeout / 80, nil, 1},
		"far apart":     {2 * timeout, nil, 10},
		"removed":       {0, []time.Time{{}}, 1}, // as http.Server does after each answer
		"set":           {0, []time.Time{time.Unix(1, 0)}, 20},
		"set, removed":  {0, []time.Time{time.Unix(1, 0), {}}, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				counted := &deadlines{Conn: a}
				c := &progressConn{Conn: counted, of: &Listener{Timeout: timeout}}
				defer c.Close()
				for range 10 {
					go func() { _, _ = b.Read(make([]byte, 1)) }()
					if _, err := c.Write([]byte("x")); err != nil {
						t.Fatal(err)
					}
					for _, to := range tt.moved {
						if err := c.SetWriteDeadline(to); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(tt.apart)
				}
				if n := counted.writes; n != tt.deadlines {
					t.Errorf("%d deadlines for ten writes, want %d", n, tt.deadlines)
				}
				begun := time.Now()
				_, err := c.Write([]byte("x"))
				if took := time.Since(begun); !errors.Is(err, os.ErrDeadlineExceeded) || took < timeout || took > timeout*9/8 {
					t.Errorf("nothing was taken: %v after %v", err, took)
				}
			})
		})
	}
}
