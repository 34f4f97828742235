package handlers_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// Heads and bodies that try to smuggle, split or break get a clear answer or a clean close, and a
// bystander misses nothing.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	bystander := g.Stream(t, gatewaytest.KeyAll, "?channels=fine")
	auth := "Host: x\r\nX-Apikey: " + gatewaytest.KeyAll + "\r\nContent-Type: application/json\r\n"
	event := `{"event":"smuggled"}`
	tests := []struct{ name, request, status string }{
		{"two lengths", "POST /realtime HTTP/1.1\r\n" + auth + "Content-Length: 20\r\nContent-Length: 5\r\n\r\n" + event, "400"},
		{"length and chunks", "POST /realtime HTTP/1.1\r\n" + auth + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + event, "400"},
		{"unknown transfer encoding", "POST /realtime HTTP/1.1\r\n" + auth + "Transfer-Encoding: xchunked\r\n\r\n" + event, "501"},
		{"negative length", "POST /realtime HTTP/1.1\r\n" + auth + "Content-Length: -1\r\n\r\n", "400"},
		{"bad chunk", "POST /realtime HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
		{"short body", "POST /realtime HTTP/1.0\r\n" + auth + "Content-Length: 99\r\n\r\n" + event, ""},
		{"NUL in a header", "GET /realtime HTTP/1.1\r\n" + auth + "Last-Event-ID: a\x00b\r\n\r\n", "400"},
		{"folded header", "GET /realtime HTTP/1.1\r\n" + auth + "X: a\r\n Last-Event-ID: 1\r\n\r\n", ""},
		{"NUL in the path", "GET /real\x00time HTTP/1.1\r\n" + auth + "\r\n", "400"},
		{"line break in the id", "GET /realtime?lastEventId=1%0d%0aevent:%20forged HTTP/1.0\r\n" + auth + "\r\n", "200"},
		{"line break in channels", "GET /realtime?channels=a%0ab HTTP/1.1\r\n" + auth + "Connection: close\r\n\r\n", "400"},
		{"large head", "GET /realtime HTTP/1.1\r\n" + auth + "X: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "431"},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\r\n\r\n", "400"},
		{"unknown method", "BREW /realtime HTTP/1.1\r\n" + auth + "Connection: close\r\n\r\n", "405"},
		{"no host", "GET /realtime HTTP/1.1\r\n\r\n", "400"},
	}
	for _, tt := range tests {
		got := g.Raw(t, tt.request, time.Second)
		if tt.status != "" && !strings.HasPrefix(got, "HTTP/1.1 "+tt.status) && !strings.HasPrefix(got, "HTTP/1.0 "+tt.status) {
			t.Errorf("%s: %.200q", tt.name, got)
		}
		if strings.Contains(got, "forged") || strings.Contains(got, "event: smuggled") {
			t.Errorf("%s: %.3000q", tt.name, got)
		}
	}
	id := g.Publish(t, `{"event":"fine"}`)
	if e := bystander.Event(t); e.ID != id {
		t.Errorf("the bystander got %+v", e)
	}
	if n := g.Log.Settled(); fmt.Sprint(n) != id {
		t.Errorf("something was stored behind %s: %d", id, n)
	}
}

// Connections that come in crowds and vanish leave nothing behind.
func TestVanishingConnections(t *testing.T) {
	gatewaytest.EveryWriter(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		bystander := g.Stream(t, gatewaytest.KeyAll, "?channels=fine")
		head := "GET /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: " + gatewaytest.KeyAll + "\r\n\r\n"
		wave := func(n int) {
			conns := make([]*gatewaytest.Conn, 0, n)
			for i := range n {
				c, err := g.Connect(net.Dialer{})
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
				if i%3 > 0 {
					io.WriteString(c, head[:len(head)*(i%3)/2])
				}
			}
			for i, c := range conns {
				if i%2 == 0 {
					c.SetLinger(0) // a reset
				}
				c.Close()
			}
		}
		settle := func() (heap uint64, goroutines int) {
			// Connections may still wait to be accepted, so one look at the count is not enough.
			for calm, deadline := 0, time.Now().Add(20*time.Second); calm < 50 && time.Now().Before(deadline); calm++ {
				if g.Broker.Count() > 1 {
					calm = 0
				}
				time.Sleep(10 * time.Millisecond)
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc, runtime.NumGoroutine()
		}
		crowd := 500
		if g.Secure() {
			crowd = 50 // handshakes take long
		}
		wave(crowd)
		heap, _ := settle()
		for range 9 {
			wave(crowd)
		}
		after, _ := settle()
		if after > heap+16<<20 {
			t.Errorf("the heap was %d bytes and is %d", heap, after)
		}
		if g.Broker.Count() != 1 || g.Broker.Views() != 1 {
			t.Errorf("%d subscribers and %d views are left", g.Broker.Count(), g.Broker.Views())
		}
		id := g.Publish(t, `{"event":"fine"}`)
		if e := bystander.Event(t); e.ID != id {
			t.Errorf("the bystander got %+v", e)
		}
	})
}
