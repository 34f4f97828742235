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

	"sluice/gateway/gatewaytest"
)

// keys of three clients of the documents.
const keyAnn, keyBen, keyCid = "key-ann-0123456789", "key-ben-0123456789", "key-cid-0123456789"

// withCrowd is a gateway with three clients, and a collection that is 14 MB large.
func withCrowd(t *testing.T, change ...func(*setup)) *gateway {
	t.Helper()
	g := newGateway(t, append(change, func(s *setup) {
		s.APIKeys = fmt.Sprintf(`[{"name":"ann","key":%q,"rest":["*:*"]},{"name":"ben","key":%q,"rest":["*:*"]},{"name":"cid","key":%q,"rest":["*:*"]}]`, keyAnn, keyBen, keyCid)
		s.WriteTimeout = time.Hour
	})...)
	insert := func(collection string, many, size int) {
		one := fmt.Sprintf(`{"t":%q}`, strings.Repeat("x", size))
		if got, _ := g.RequestRest(t, keyAnn, http.MethodPost, collection, "["+strings.Repeat(one+",", many-1)+one+"]"); got[:3] != "201" {
			t.Fatal(got[:100])
		}
	}
	for range 15 {
		insert("large", 16, 60<<10)
	}
	insert("some", 8, 60<<10)
	insert("small", 1, 30<<10)
	return g
}

// page asks for all of the large collection, and reads no more than that the answer has begun.
func (g *gateway) slowPage(t *testing.T, key string) net.Conn {
	t.Helper()
	page := g.Dial(t, "GET /rest/large?h={%22$max%22:1000} HTTP/1.1\r\nHost: x\r\nX-Apikey: "+key+"\r\n\r\n")
	if err := page.SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	begun := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(page, begun); err != nil || string(begun) != "HTTP/1.1 200" {
		t.Fatalf("%s %v", begun, err)
	}
	return page
}

const readAll = `{"type":"items","action":"read","collection":%q,"query":{"limit":-1},"uid":"1"}`

// What slow readers have wait for them in memory is bounded for each credential, and for all, at both doors together:
// what goes beyond is refused until they have read it or are gone, what is small never.
func TestMemoryOfAnswers(t *testing.T) {
	t.Parallel()
	g := withCrowd(t, func(s *setup) { s.NoWriteTimeout = true }) // else the slow ones hold nothing where the rest takes five seconds
	slow := g.slowSocket(t, keyAnn)
	slow.Send(fmt.Sprintf(readAll, "large"))
	_, waiting, err := slow.WS.Reader(context.Background()) // the answer has begun
	if err != nil {
		t.Fatal(err)
	}
	g.gets(t, keyAnn, "503", "/rest/large?h={%22$max%22:1000}")
	g.gets(t, keyAnn, "503", "/items/large?limit=-1")
	g.gets(t, keyAnn, "503", "/rest/some?groupby=_id,t&aggregate=MAX:t,MIN:t,MAX:_id,MIN:_id")
	other := g.Socket(t, keyAnn)
	other.Send(fmt.Sprintf(readAll, "large"))
	if got, err := other.Next(); err != nil || !strings.Contains(got, "SERVICE_UNAVAILABLE") {
		t.Fatalf("%.200s, %v", got, err)
	}
	other.Send(fmt.Sprintf(readAll, "small"))
	if got, err := other.Next(); err != nil || !strings.Contains(got, `"data":[{"id"`) {
		t.Fatalf("%.200s, %v", got, err)
	}
	page := g.slowPage(t, keyBen)
	g.gets(t, keyCid, "503", "/items/large?limit=-1")
	for range 20 {
		if got, _ := g.RequestRest(t, keyCid, http.MethodGet, "some", ""); got[:3] != "200" {
			t.Fatal(got)
		}
	}
	g.eventually(t, keyAnn, "200", "/rest/small")
	if got, err := io.ReadAll(waiting); err != nil || !strings.Contains(string(got), `"data":[{"id"`) {
		t.Fatalf("%.200s, %v", got, err)
	}
	g.eventually(t, keyAnn, "200", "/items/large?limit=-1") // what the socket has read is not held any more
	page.Close()
	for _, c := range []*gatewaytest.Socket{slow, other} {
		gatewaytest.Until(t, func() error { // the answer before may not be given back yet
			c.Send(fmt.Sprintf(readAll, "large"))
			if got, err := c.Next(); err != nil || !strings.Contains(got, `"data":[{"id"`) {
				return fmt.Errorf("%.200s, %w", got, err)
			}
			return nil
		})
	}
}

// Those who take an answer at a trickle are cut off when another credential needs the memory, at both doors; who reads
// on is not.
func TestSlowReadersAreCut(t *testing.T) {
	t.Parallel()
	g := withCrowd(t)
	slow := g.slowSocket(t, keyAnn)
	slow.Send(fmt.Sprintf(readAll, "large"))
	if _, _, err := slow.WS.Reader(context.Background()); err != nil {
		t.Fatal(err)
	}
	page := g.slowPage(t, keyBen)
	trickle := make(chan error, 1)
	go func() { // 10 KB/s
		for {
			if _, err := io.ReadFull(page, make([]byte, 1<<10)); err != nil {
				trickle <- err
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	status := ""
	for deadline := time.Now().Add(30 * time.Second); status != "200" && time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		got, _ := g.RequestRest(t, keyCid, http.MethodGet, "large?h={%22$max%22:1000}", "")
		status = got[:3]
	}
	if status != "200" {
		t.Fatalf("the bystander got %s", status)
	}
	// One of the two was in the way, and is cut off: what it has of the answer is less than all.
	slow.WS.SetReadLimit(1 << 26)
	_, _, err := slow.WS.Read(context.Background())
	select {
	case <-trickle:
	default:
		if err == nil {
			t.Error("nobody was cut off")
		}
	}
}

// slowSocket is one whose system takes little before it is read.
func (g *gateway) slowSocket(t *testing.T, key string) *gatewaytest.Socket {
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
	t.Cleanup(func() { ws.CloseNow() })
	return gatewaytest.NewSocket(t, ws)
}

// eventually wants an answer's status, soon.
func (g *gateway) eventually(t *testing.T, key, want, path string) {
	t.Helper()
	for deadline := time.Now().Add(gatewaytest.Patience); g.status(t, key, path) != want; {
		if time.Now().After(deadline) {
			t.Fatalf("%s is never %s", path, want)
		}
	}
}

// gets wants an answer's status at once: answers that were not read would be in the way of a repeat.
func (g *gateway) gets(t *testing.T, key, want, path string) {
	t.Helper()
	if status := g.status(t, key, path); status != want {
		t.Errorf("%s: %s, want %s", path, status, want)
	}
}

func (g *gateway) status(t *testing.T, key, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", key)
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	status := answer.Status[:3]
	if status == "503" && answer.Header.Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
	return status
}
