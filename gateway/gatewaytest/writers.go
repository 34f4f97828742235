package gatewaytest

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// BothWriters runs a test with the shared writer, which writes TLS, too, and with the writer that has a goroutine for each
// connection.
func BothWriters(t *testing.T, f func(t *testing.T, writer func(*Setup))) {
	t.Helper()
	SharedWriter(t, 2, f)
	t.Run("goroutine", func(t *testing.T) {
		f(t, func(s *Setup) { s.Shards = -1 })
	})
}

// EveryWriter is BothWriters, and also the writer with goroutines behind TLS, as other systems than Linux have it.
func EveryWriter(t *testing.T, f func(t *testing.T, writer func(*Setup))) {
	t.Helper()
	BothWriters(t, f)
	t.Run("goroutine, TLS", func(t *testing.T) {
		f(t, func(s *Setup) { s.Shards, s.TLS, s.NoHTTP2 = -1, true, true })
	})
}

// SharedWriter runs a test with the shared writer only, without and with TLS.
func SharedWriter(t *testing.T, shards int, f func(t *testing.T, writer func(*Setup))) {
	t.Helper()
	for name, secure := range map[string]bool{"shared": false, "shared, TLS": true} {
		t.Run(name, func(t *testing.T) {
			f(t, func(s *Setup) { s.Shards, s.TLS, s.NoHTTP2 = shards, secure, secure })
		})
	}
}

// Conn is a connection of the test's own, over TLS if the gateway has it.
type Conn struct {
	net.Conn
	TCP *net.TCPConn
}

// CloseWrite ends what the test sends, and goes on reading.
func (c *Conn) CloseWrite() error {
	if secure, ok := c.Conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			return err
		}
	}
	return c.TCP.CloseWrite()
}

// SetLinger and SetReadBuffer are those of TCP.
func (c *Conn) SetLinger(seconds int) error { return c.TCP.SetLinger(seconds) }

func (c *Conn) SetReadBuffer(bytes int) error { return c.TCP.SetReadBuffer(bytes) }

// Secure reports whether the gateway has TLS.
func (g *Gateway) Secure() bool { return g.Server.TLS != nil }

// Dial opens a new connection and sends a request.
func (g *Gateway) Dial(t *testing.T, request string) *Conn {
	t.Helper()
	c, err := g.Connect(net.Dialer{})
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
	return c
}

// Connect opens a new connection. The caller closes it.
func (g *Gateway) Connect(dialer net.Dialer) (*Conn, error) {
	raw, err := dialer.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: raw, TCP: raw.(*net.TCPConn)}
	if g.Secure() {
		c.Conn = tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	}
	return c, nil
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
