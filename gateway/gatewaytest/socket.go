package gatewaytest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Socket is a client's socket. A test reads its messages one by one.
type Socket struct {
	t  testing.TB
	WS *websocket.Conn
}

// NewSocket makes a Socket of a connection that the test has opened.
func NewSocket(t testing.TB, ws *websocket.Conn) *Socket { return &Socket{t, ws} }

// DialSocket opens a socket; query may contain a token.
func (g *Gateway) DialSocket(t testing.TB, query string, header http.Header) (*Socket, int) {
	t.Helper()
	ws, answer, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/websocket"+query,
		&websocket.DialOptions{HTTPClient: g.Client(), HTTPHeader: header})
	if err != nil {
		if answer == nil {
			t.Fatal(err)
		}
		return nil, answer.StatusCode
	}
	ws.SetReadLimit(1 << 26)
	t.Cleanup(func() { ws.CloseNow() })
	return &Socket{t, ws}, answer.StatusCode
}

// Socket opens a socket that authenticates in its URL.
func (g *Gateway) Socket(t testing.TB, key string) *Socket {
	t.Helper()
	s, status := g.DialSocket(t, "?access_token="+key, nil)
	if s == nil {
		t.Fatal(status)
	}
	return s
}

// Send sends a message.
func (s *Socket) Send(text string) {
	s.t.Helper()
	if err := s.WS.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// Next returns the next message as it came.
func (s *Socket) Next() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, text, err := s.WS.Read(ctx)
	return string(text), err
}

// Expect fails the test unless exactly these messages come next.
func (s *Socket) Expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		got, err := s.Next()
		if err != nil {
			s.t.Fatalf("%v; want %s", err, w)
		}
		if got = Normalize(got); got != w {
			s.t.Fatalf("got  %s\nwant %s", got, w)
		}
	}
}

// ExpectNothing fails the test if a message has come. Answers come in the order of the requests, so it sends a ping, and the
// pong must come first.
func (s *Socket) ExpectNothing() {
	s.t.Helper()
	s.Send(`{"type":"ping","uid":"quiet"}`)
	s.Expect(`{"type":"pong","uid":"quiet"}`)
}

// ExpectClose fails the test unless the server closes with this code.
func (s *Socket) ExpectClose(code websocket.StatusCode) {
	s.t.Helper()
	text, err := s.Next()
	if err == nil || websocket.CloseStatus(err) != code {
		s.t.Fatalf("got %s, %v; want an end with %d", text, err, code)
	}
}

// ExpectInAnyOrder fails the test unless these messages come next, in any order.
func (s *Socket) ExpectInAnyOrder(want ...string) {
	s.t.Helper()
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	for range want {
		got, err := s.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if got = Normalize(got); left[got] == 0 {
			s.t.Fatalf("got %s, want one of %q", got, want)
		}
		left[got]--
	}
}

// Created returns a subscription's message about new items.
func Created(items, uid string) string { return SubscriptionMessage("create", items, uid) }

// SubscriptionMessage returns a message of a subscription.
func SubscriptionMessage(event, data, uid string) string {
	if uid != "" {
		uid = `,"uid":"` + uid + `"`
	}
	return `{"type":"subscription","event":"` + event + `","data":` + data + uid + `}`
}

// RefreshToken returns the token at the end of an answer that begins with begins.
func (s *Socket) RefreshToken(begins string) string {
	s.t.Helper()
	text, err := s.Next()
	token, ok := strings.CutPrefix(text, begins)
	if err != nil || !ok || len(token) < 20 {
		s.t.Fatal(text, err)
	}
	return strings.TrimSuffix(token, `"}`)
}

// AwaitStreams waits until the gateway counts the wanted number of streams.
func (g *Gateway) AwaitStreams(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); g.Traffic.Streams() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d streams, want %d", g.Traffic.Streams(), want)
		}
	}
}
