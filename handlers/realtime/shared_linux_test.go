package realtime_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/gateway/gatewaytest"
)

// A crowd of idle clients has no goroutines, all of it is served, and when it has left nothing is left behind.
func TestCrowdWithoutGoroutines(t *testing.T) {
	gatewaytest.SharedWriter(t, 2, func(t *testing.T, writer func(*setup)) {
		crowd := 2000
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if most := int(min(limit.Cur, 1<<20)) / 3; most < crowd { // both ends are ours
			crowd = most
		}
		g := newGateway(t, writer)
		if g.Secure() {
			crowd /= 5 // handshakes take long
		}
		bystander := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, "?channels=e"))
		g.AwaitMetric(t, "sluice_connections 1")
		g.Client().CloseIdleConnections()
		files, goroutines := openFiles(t), runtime.NumGoroutine()
		for round := range 2 {
			conns := make([]*gatewaytest.Conn, crowd)
			for i := range conns {
				c, err := g.Connect(net.Dialer{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if conns[i] = c; i%2 == 0 {
					if err := c.SetLinger(0); err != nil { // it will leave with a reset
						t.Fatal(err)
					}
				}
				if _, err := io.WriteString(c, gatewaytest.Get(gatewaytest.KeyAll, fmt.Sprintf("?channels=e,e%d", i%7))); err != nil {
					t.Fatal(err)
				}
			}
			g.AwaitSubscribers(t, crowd+1)
			if n := g.Broker.Views(); n != 8 {
				t.Errorf("%d views of 8 filters", n)
			}
			gatewaytest.Until(t, func() error {
				if n := runtime.NumGoroutine(); n > goroutines+100 {
					return fmt.Errorf("%d goroutines for %d idle streams, %d without", n, crowd, goroutines)
				}
				return nil
			})
			id := g.Put(t, gatewaytest.Events(1, "e", 10)...)[0]
			if err := bystander.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if e := bystander.Next(t); e.ID != id {
				t.Errorf("the bystander got %+v", e)
			}
			for i, c := range conns {
				if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
					t.Fatal(err)
				}
				text, buf := []byte(nil), make([]byte, 4096)
				for !bytes.Contains(text, []byte("id: "+id+"\nevent: e\n")) {
					n, err := c.Read(buf)
					if text = append(text, buf[:n]...); err != nil {
						t.Fatalf("round %d, client %d: %v after %.200q", round, i, err, text)
					}
				}
				c.Close()
			}
			g.AwaitSubscribers(t, 1)
			gatewaytest.Until(t, func() error {
				if f, n := openFiles(t), runtime.NumGoroutine(); f > files+2 || n > goroutines+2 || g.Broker.Views() != 1 {
					return fmt.Errorf("%d descriptors, %d goroutines and %d views; before %d, %d and 1", f, n, g.Broker.Views(), files, goroutines)
				}
				return nil
			})
		}
		g.AwaitMetric(t, "sluice_connections 1")
		g.AwaitMetric(t, fmt.Sprintf(`sluice_streams_ended_total{reason="gone"} %d`, 2*crowd))
	})
}

// The kernel reports free space in its buffer only when there is much of it. A client that reads a little at a time is
// recognized by the bytes that the kernel still has for it, and is not closed.
func TestVerySlowAndSteady(t *testing.T) {
	t.Parallel()
	gatewaytest.SharedWriter(t, 1, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = time.Second })
		dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
			var set error // before it connects, so that the window is never larger
			err := c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
			return errors.Join(err, set)
		}}
		c, err := g.Connect(dialer)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, gatewaytest.WithVersion("HTTP/1.0", gatewaytest.Get(gatewaytest.KeyAll, ""))); err != nil {
			t.Fatal(err)
		}
		g.AwaitSubscribers(t, 1)
		g.Flood(t, "e", 8<<20)
		for started := time.Now(); time.Since(started) < 4*time.Second; time.Sleep(50 * time.Millisecond) {
			if _, err := io.ReadFull(c.TCP, make([]byte, 1500)); err != nil {
				t.Fatalf("after %s: %v", time.Since(started), err)
			}
		}
		if n := g.Broker.Count(); n != 1 {
			t.Errorf("%d streams", n)
		}
	})
}

// Streams of history and feeds of databases that have come to the present hold no goroutine.
func TestHistoryHoldsNoGoroutine(t *testing.T) { // not parallel: it counts goroutines
	g := newGateway(t, gatewaytest.WithDemo, func(s *setup) { s.Shards = 1 })
	last := g.Publish(t, `{"event":"x","stream":"s1"}`)
	g.AwaitSubscribers(t, 0)
	const each = 50
	before := runtime.NumGoroutine()
	for i, request := range []string{
		gatewaytest.Get(gatewaytest.KeyAll, "?stream=s1"), gatewaytest.Get(gatewaytest.KeyAll, "?after="+last), gatewaytest.Get(gatewaytest.KeyAll, "?from=earliest", "Accept: application/x-ndjson\r\n"),
		gatewaytest.Get(gatewaytest.KeyAll, "?from=now", "Last-Event-ID: "+last+"\r\n"),
		"GET /db/demo/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + gatewaytest.Basic("demo", "demo") + "\r\n\r\n",
	} {
		for range each {
			c := g.Dial(t, request)
			text := make([]byte, len("HTTP/1.1 200"))
			if _, err := io.ReadFull(c, text); err != nil || string(text) != "HTTP/1.1 200" {
				t.Fatalf("%s: %q %v", request, text, err)
			}
		}
		g.AwaitSubscribers(t, each*(i+1))
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+each; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
