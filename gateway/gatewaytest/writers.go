package gatewaytest

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// BothWriters runs a test with the shared writer, and with the writer that has a goroutine for each connection.
func BothWriters(t *testing.T, f func(t *testing.T, writer func(*Setup))) {
	t.Helper()
	for name, shards := range map[string]int{"shared": 2, "goroutine": -1} {
		t.Run(name, func(t *testing.T) {
			f(t, func(s *Setup) { s.Shards = shards })
		})
	}
}

// Dial opens a new connection and sends a request.
func (g *Gateway) Dial(t *testing.T, request string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// Get returns a request for a stream of /realtime.
func Get(key, query string, lines ...string) string {
	return "GET /realtime" + query + " HTTP/1.1\r\nHost: x\r\nX-Apikey: " + key + "\r\n" + strings.Join(lines, "") + "\r\n"
}

// AwaitSubscribers waits until the gateway has a number of subscribers.
func (g *Gateway) AwaitSubscribers(t *testing.T, subscribers int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); g.Broker.Count() != subscribers; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d subscribers, not %d", g.Broker.Count(), subscribers)
		}
	}
}
