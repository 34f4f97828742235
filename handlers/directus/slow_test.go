package directus_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"sluice/gateway/gatewaytest"
	"sluice/store/documents"
)

// TestSocketSlowReader: who reads a large answer slowly is closed neither in the midst of it, as long as it takes
// something, nor for the pongs that it cannot send before it has read the pings behind that.
func TestSocketSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // by a clock that a busy machine does not drive on
		listener := gatewaytest.NewPipes(1 << 20)
		g := newGateway(t, gatewaytest.WithItems, func(s *setup) {
			s.Listener, s.Shards, s.WriteTimeout, s.WebSocketHeartbeat = listener, -1, 100*time.Millisecond, 600*time.Millisecond
		})
		for range 10 {
			if _, err := g.Documents.Insert(t.Context(), "large", "a test", slices.Repeat([]documents.New{{Fields: gatewaytest.LargeFields(t)}}, 20)); err != nil {
				t.Fatal(err)
			}
		}
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := listener.Dial(ctx, network, address)
			return &slowConn{c}, err
		}}}
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(g.URL, "http", "ws", 1)+"/websocket?access_token="+gatewaytest.KeyItems, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 26)
		s := gatewaytest.NewSocket(t, ws)
		s.Send(`{"type":"subscribe","collection":"large","query":{"limit":-1}}`)
		began := time.Now()
		for pings, length := 0, 0; pings < 3; {
			_, text, err := ws.Read(t.Context())
			if err != nil {
				t.Fatalf("after %s, %d bytes and %d pings: %v", time.Since(began), length, pings, err)
			}
			if len(text) > 10<<20 {
				if took := time.Since(began); took < 10*time.Second {
					t.Fatalf("the answer took %s only", took)
				}
			}
			if length = max(length, len(text)); string(text) == `{"type":"ping"}` {
				pings++
				s.Send(`{"type":"pong"}`)
			}
		}
	})
}

// slowConn is read slowly.
type slowConn struct{ net.Conn }

func (c *slowConn) Read(b []byte) (int, error) {
	time.Sleep(20 * time.Millisecond) // 12 MB take 15 seconds, and the last MiB of them more than one
	return c.Conn.Read(b[:min(len(b), 16<<10)])
}

// TestSocketCut: who is ended by the administrator is, though it takes nothing.
func TestSocketCut(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.WriteTimeout = time.Hour })
	for range 10 {
		if _, err := g.Documents.Insert(t.Context(), "large", "a test", slices.Repeat([]documents.New{{Fields: gatewaytest.LargeFields(t)}}, 20)); err != nil {
			t.Fatal(err)
		}
	}
	s := g.Socket(t, gatewaytest.KeyItems)
	s.Send(`{"type":"subscribe","collection":"large","query":{"limit":-1}}`)
	g.AwaitBlocked(t, 0, 64<<10)
	list, _ := g.AsAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any)
	for _, one := range list {
		g.AsAdmin(t, "DELETE", fmt.Sprint("/admin/connections/", one.(map[string]any)["id"]), "", 204)
	}
	for end := time.Now().Add(20 * time.Second); g.Traffic.Streams() > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("of %v it goes on", list)
		}
	}
}

// TestSocketSlowWriter: a message is there in time, or the connection ends: who sends half of one holds nothing for ever.
func TestSocketSlowWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 300 * time.Millisecond
		g := newGateway(t, gatewaytest.WithItems, gatewaytest.InBubble, func(s *setup) { s.ReadTimeout = timeout })
		s := g.Socket(t, gatewaytest.KeyItems)
		for range 2 {
			time.Sleep(2 * timeout) // between messages it may say nothing
			s.ExpectNothing()
		}
		w, err := s.WS.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := w.Write([]byte(`{"type":"` + strings.Repeat("x", 32<<10))); err != nil { // more than is held back here
			t.Fatal(err)
		}
		text, err := s.Next()
		if took := time.Since(begun); err == nil || took < timeout || took > 2*timeout {
			t.Errorf("after %s: %s %v", took, text, err)
		}
	})
}
