package handlers_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// longHead is the beginning of a request with a header of n bytes, without the empty line at its end.
func longHead(line string, n int) string {
	return line + " HTTP/1.1\r\nHost: x\r\nX-Junk: " + strings.Repeat("x", n) + "\r\n"
}

const idleRequest = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

// TestHeadsFull: what arrives of a request's head is charged to its address, on old connections too, and so is a head
// whose body has yet to come. What has no room is refused, and others notice nothing.
func TestHeadsFull(t *testing.T) {
	t.Parallel()
	const head = 100_000
	slowBody := longHead("POST /auth/login", head) + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
	for _, x := range []struct {
		name, request string
		fill          int   // how many have room
		each          int64 // is held of each at least
	}{
		{"of a new connection", longHead("GET /healthz", head), 11, head - 13<<10},                // some is free
		{"of an old connection", idleRequest + longHead("GET /healthz", head), 11, head - 13<<10}, // and some was read with the request before
		{"before a slow body", slowBody, 10, head},                                                // once the whole head is charged; between the two nothing is, for a moment
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, gatewaytest.WithItems, withLittle, func(s *setup) { s.ReadTimeout = time.Minute })
			var all []io.Closer
			for range x.fill {
				all = append(all, g.Dial(t, x.request))
			}
			g.holds(t, int64(x.fill)*x.each)
			text, _ := io.ReadAll(g.Dial(t, longHead("GET /healthz", head)))
			if got := string(text); !strings.HasPrefix(got, "HTTP/1.1 503 ") || strings.Count(got, "HTTP/1.1") != 1 || !strings.Contains(got, `"code":"client_memory_full"`) {
				t.Errorf("one more: %.300q", text)
			}
			g.bystander(t)
			for _, c := range all {
				c.Close()
			}
			g.holds(t, 0)
			g.RunAll(t, []scenario{{Name: "again", Path: "/healthz", Headers: map[string]string{"X-Junk": strings.Repeat("x", head)}, Status: 200}})
		})
	}
}

// TestStreamDropsHead: a stream that has begun holds nothing of its head, and neither does an idle connection.
func TestStreamDropsHead(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		g := newGateway(t, withLittle, func(s *setup) { s.TLS = secure })
		for range 20 {
			r, err := http.NewRequest(http.MethodGet, g.URL+"/realtime", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Apikey", gatewaytest.KeyAll)
			r.Header.Set("X-Junk", strings.Repeat("x", 100_000))
			answer, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Fatal(answer.Status)
			}
		}
		g.holds(t, 0)
	}
}

// TestLongFrame: a frame of HTTP/2 that says it is long is refused before memory is taken for it.
func TestLongFrame(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.TLS = true })
	c, err := tls.Dial("tcp", g.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") // with empty settings
	fmt.Fprint(c, "\x0f\xff\xff\x00\x00\x00\x00\x00\x01")                                 // the head of a frame of 1 MiB
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewReader(c); ; {
		var frame [9]byte
		if _, err := io.ReadFull(in, frame[:]); err != nil {
			t.Fatal("the server waits for the frame: ", err)
		}
		payload := make([]byte, int(frame[0])<<16|int(frame[1])<<8|int(frame[2]))
		if _, err := io.ReadFull(in, payload); err != nil {
			t.Fatal(err)
		}
		if frame[3] == 7 { // GOAWAY
			if code := payload[7]; code != 6 { // FRAME_SIZE_ERROR
				t.Errorf("code %d", code)
			}
			return
		}
	}
}
