package handlers_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// What slow readers have wait for them in memory is bounded, at both doors together: what goes beyond is refused until
// they have read it or are gone, what is small never.
func TestMemoryOfAnswers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.auth.APIKeys, s.realtime.WriteTimeout = documentKeys, time.Minute })
	insert := func(collection string, many, size int) {
		one := fmt.Sprintf(`{"t":%q}`, strings.Repeat("x", size))
		if got, _ := g.asked(t, keyDocs, http.MethodPost, collection, "["+strings.Repeat(one+",", many-1)+one+"]"); got[:3] != "201" {
			t.Fatal(got[:100])
		}
	}
	for range 15 {
		insert("large", 16, 60<<10)
	}
	insert("small", 1, 30<<10)
	const read = `{"type":"items","action":"read","collection":%q,"query":{"limit":-1},"uid":"1"}`
	slow := g.slowSocket(t, keyDocs)
	slow.say(fmt.Sprintf(read, "large"))
	_, waiting, err := slow.ws.Reader(context.Background()) // the answer has begun
	if err != nil {
		t.Fatal(err)
	}
	page := dial(t, g, "GET /rest/large?h={%22$max%22:1000} HTTP/1.1\r\nHost: x\r\nX-Apikey: "+keyDocs+"\r\n\r\n")
	if err := page.SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	begun := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(page, begun); err != nil || string(begun) != "HTTP/1.1 200" {
		t.Fatalf("%s %v", begun, err)
	}
	g.eventually(t, "503", "/rest/large?h={%22$max%22:1000}")
	g.eventually(t, "503", "/items/large?limit=-1")
	other := g.socket(t, keyDocs)
	other.say(fmt.Sprintf(read, "large"))
	if got, err := other.next(); err != nil || !strings.Contains(got, "SERVICE_UNAVAILABLE") {
		t.Fatalf("%.200s, %v", got, err)
	}
	other.say(fmt.Sprintf(read, "small"))
	if got, err := other.next(); err != nil || !strings.Contains(got, `"data":[{"id"`) {
		t.Fatalf("%.200s, %v", got, err)
	}
	g.eventually(t, "200", "/rest/small")
	if got, err := io.ReadAll(waiting); err != nil || !strings.Contains(string(got), `"data":[{"id"`) {
		t.Fatalf("%.200s, %v", got, err)
	}
	g.eventually(t, "200", "/items/large?limit=-1") // what the socket has read is not held any more
	page.Close()
	for _, c := range []*socket{slow, other} {
		c.say(fmt.Sprintf(read, "large"))
		if got, err := c.next(); err != nil || !strings.Contains(got, `"data":[{"id"`) {
			t.Fatalf("%.200s, %v", got, err)
		}
	}
}

// slowSocket is one whose system takes little before it is read.
func (g *gateway) slowSocket(t *testing.T, key string) *socket {
	t.Helper()
	transport := http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(256 << 10)
		}
		return c, err
	}}
	ws, _, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/websocket?access_token="+key,
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: &transport}})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 26)
	t.Cleanup(func() { ws.CloseNow() }) //nolint:errcheck // it may be closed
	return &socket{t, ws}
}

// eventually wants an answer's status.
func (g *gateway) eventually(t *testing.T, want, path string) {
	t.Helper()
	status := ""
	for deadline := time.Now().Add(10 * time.Second); status != want && time.Now().Before(deadline); {
		r, err := http.NewRequest(http.MethodGet, g.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", keyDocs)
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if status = answer.Status[:3]; status == "503" && answer.Header.Get("Retry-After") == "" {
			t.Error("not told when to come back")
		}
	}
	if status != want {
		t.Errorf("%s: %s, want %s", path, status, want)
	}
}
