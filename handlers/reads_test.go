package handlers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counted counts the reads of a connection, and the deadlines of reads that it is given.
type counted struct {
	net.Conn
	reads, deadlines atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

func (c *counted) SetReadDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetReadDeadline(t)
}

const (
	none = -1 // no deadline
	past = -2 // one long ago, with which http.Server ends a read
)

func deadlineAt(begun time.Time, after time.Duration) time.Time {
	switch after {
	case none:
		return time.Time{}
	case past:
		return time.Unix(1, 0)
	}
	return begun.Add(after)
}

type moved struct{ at, to time.Duration }

// TestReadDeadline: a read ends at its deadline, not before and not after, however the deadline is moved before the read and
// during it. The connection below gets few of the deadlines.
func TestReadDeadline(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, tt := range map[string]struct {
		before    []time.Duration
		during    []moved
		ends      time.Duration
		deadlines int64
	}{
		"the last one":              {[]time.Duration{5 * s, 60 * s, none, 2 * s}, nil, 2 * s, 1},
		"one that is over":          {[]time.Duration{0}, nil, 0, 1},
		"long ago":                  {[]time.Duration{5 * s, past}, nil, 0, 0},
		"later during the read":     {[]time.Duration{2 * s}, []moved{{s, 4 * s}}, 4 * s, 2},
		"later again and again":     {[]time.Duration{2 * s}, []moved{{s, 4 * s}, {3 * s, 9 * s}, {3 * s, 8 * s}}, 8 * s, 3},
		"sooner during the read":    {[]time.Duration{60 * s}, []moved{{s, 2 * s}}, 2 * s, 2},
		"removed, and set again":    {[]time.Duration{2 * s}, []moved{{s, none}, {3 * s, 5 * s}}, 5 * s, 3},
		"removed, and set at once":  {[]time.Duration{2 * s}, []moved{{s, none}, {s, 5 * s}}, 5 * s, 2},
		"set during the read":       {nil, []moved{{s, 2 * s}}, 2 * s, 1},
		"ended during the read":     {[]time.Duration{60 * s}, []moved{{s, past}}, s, 2},
		"past the one of the below": {[]time.Duration{2 * s}, []moved{{s, 3 * s}, {2500 * time.Millisecond, past}}, 2500 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer b.Close()
				below := &counted{Conn: a}
				c := &progressConn{Conn: below, of: &Listener{Timeout: s}}
				defer c.Close()
				for round := range int64(3) { // what a round leaves behind does not matter to the next
					begun, before := time.Now(), below.deadlines.Load()
					for _, d := range tt.before {
						if err := c.SetReadDeadline(deadlineAt(begun, d)); err != nil {
							t.Fatal(err)
						}
					}
					done := make(chan struct{})
					go func() {
						defer close(done)
						for _, m := range tt.during {
							time.Sleep(time.Until(begun.Add(m.at)))
							if err := c.SetReadDeadline(deadlineAt(begun, m.to)); err != nil {
								t.Error(err)
							}
						}
					}()
					n, err := c.Read(make([]byte, 10))
					if took := time.Since(begun); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != tt.ends {
						t.Errorf("round %d: %d bytes, %v after %v, want %v", round, n, err, took, tt.ends)
					}
					<-done
					if got := below.deadlines.Load() - before; round == 0 && got != tt.deadlines {
						t.Errorf("the connection below got %d deadlines, want %d", got, tt.deadlines)
					}
					if err := c.SetReadDeadline(time.Time{}); err != nil {
						t.Fatal(err)
					}
					go func() { _, _ = b.Write([]byte("abc")) }()
					if n, err := c.Read(make([]byte, 10)); n != 3 || err != nil {
						t.Errorf("round %d: then %d bytes, %v", round, n, err)
					}
				}
			})
		})
	}
}

// TestWatch: while a handler runs, the read that watches for a client that goes begins late, and not at all if the handler is
// done by then. Other reads begin at once.
func TestWatch(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tt := range map[string]struct {
		state http.ConnState
		bytes int
		during
		took  time.Duration
		err   error
		reads int64
	}{
		"done early":          {http.StateActive, 1, during{moved: &moved{10 * ms, past}}, 10 * ms, os.ErrDeadlineExceeded, 0},
		"done just then":      {http.StateActive, 1, during{moved: &moved{50 * ms, past}}, 50 * ms, os.ErrDeadlineExceeded, -1},
		"done late":           {http.StateActive, 1, during{moved: &moved{80 * ms, past}}, 80 * ms, os.ErrDeadlineExceeded, 1},
		"a deadline":          {http.StateActive, 1, during{moved: &moved{10 * ms, 20 * ms}}, 20 * ms, os.ErrDeadlineExceeded, 1},
		"sends early":         {http.StateActive, 1, during{sends: 10 * ms}, 50 * ms, nil, 1},
		"sends late":          {http.StateActive, 1, during{sends: 80 * ms}, 80 * ms, nil, 1},
		"goes early":          {http.StateActive, 1, during{goes: 10 * ms}, 50 * ms, io.EOF, 1},
		"goes late":           {http.StateActive, 1, during{goes: 80 * ms}, 80 * ms, io.EOF, 1},
		"two bytes":           {http.StateActive, 2, during{sends: 10 * ms}, 10 * ms, nil, 1},
		"no handler":          {http.StateIdle, 1, during{sends: 10 * ms}, 10 * ms, nil, 1},
		"taken from net/http": {http.StateHijacked, 1, during{sends: 10 * ms}, 10 * ms, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				of := &Listener{Timeout: time.Second}
				for range 3 { // which share what waits
					a, b := net.Pipe()
					below := &counted{Conn: a}
					c := &progressConn{Conn: below, of: of}
					c.State(tt.state, false)
					begun := time.Now()
					go tt.during.run(t, c, b)
					_, err := c.Read(make([]byte, tt.bytes))
					if took := time.Since(begun); !errors.Is(err, tt.err) || took != tt.took {
						t.Errorf("%v after %v, want %v after %v", err, took, tt.err, tt.took)
					}
					if n := below.reads.Load(); n != tt.reads && tt.reads >= 0 {
						t.Errorf("the connection below was read %d times, want %d", n, tt.reads)
					}
					c.Close()
					b.Close()
					synctest.Wait()
				}
			})
		})
	}
}

// during is what happens while a connection reads.
type during struct {
	moved       *moved // its deadline
	sends, goes time.Duration
}

func (d *during) run(t *testing.T, c, client net.Conn) {
	begun := time.Now()
	if d.moved != nil {
		time.Sleep(d.moved.at)
		if err := c.SetReadDeadline(deadlineAt(begun, d.moved.to)); err != nil {
			t.Error(err)
		}
	}
	if d.sends > 0 {
		time.Sleep(d.sends)
		if _, err := client.Write([]byte("x")); err != nil {
			t.Error(err)
		}
	}
	if d.goes > 0 {
		time.Sleep(d.goes)
		client.Close()
	}
}

// single is a listener with one connection.
type single chan net.Conn

func (s single) Accept() (net.Conn, error) {
	c, ok := <-s
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (single) Close() error { return nil }

func (single) Addr() net.Addr { return address("192.0.2.1:1") }

type remote struct{ *counted }

func (remote) RemoteAddr() net.Addr { return address("192.0.2.1:2") }

// TestReadsOfServer: for each request that is answered soon, http.Server reads once, and sets no deadline below. It notices
// that a client goes while its handler runs.
func TestReadsOfServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone, heads := make(chan time.Time, 1), NewHeads(10)
		server := &http.Server{
			ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, ConnState: heads.State,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				_ = rc.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, _ = io.Copy(io.Discard, r.Body)
				_ = rc.SetReadDeadline(time.Time{})
				if r.URL.Path == "/slow" {
					<-r.Context().Done()
					gone <- time.Now()
					return
				}
				time.Sleep(10 * time.Millisecond)
			}),
		}
		accepted := make(single, 1)
		serving := make(chan error)
		go func() { serving <- server.Serve(&Listener{Listener: accepted, Timeout: time.Minute}) }()
		a, b := net.Pipe()
		below := remote{&counted{Conn: a}}
		accepted <- below
		answers := bufio.NewReader(b)
		post := func(path string) {
			t.Helper()
			if _, err := fmt.Fprintf(b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", path); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 10 {
			post("/")
			answer, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			synctest.Wait()
			if r, d := below.reads.Load(), below.deadlines.Load(); r != int64(i)+2 || d != 1 { // the next request is being read
				t.Fatalf("after request %d: %d reads and %d deadlines", i, r, d)
			}
		}
		if len(heads.waiting) > 0 {
			t.Errorf("%d connections wait for their first head", len(heads.waiting))
		}
		post("/slow")
		time.Sleep(10 * time.Millisecond)
		went := time.Now()
		b.Close()
		if late := (<-gone).Sub(went); late > watchAfter {
			t.Errorf("noticed after %v", late)
		}
		close(accepted)
		if err := <-serving; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		server.Close()
		synctest.Wait()
	})
}
