package load

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// frame makes a frame from a server.
func frame(opcode byte, payload string) []byte {
	b := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// Data and pings are separated in pieces of any size.
func TestFramesInPieces(t *testing.T) {
	var stream []byte
	want := ""
	for _, n := range []int{0, 5, 125, 126, 300, 1 << 16} {
		text := strings.Repeat("x", n)
		want += text
		stream = append(append(stream, frame(1, text)...), frame(opPing, "7")...)
		stream = append(stream, frame(opPong, "not asked for")...)
	}
	for _, size := range []int{1, 2, 3, 7, 1000, len(stream)} {
		var w frames
		got := ""
		for p := stream; len(p) > 0; {
			n := min(size, len(p))
			if err := w.feed(p[:n], func(p []byte) { got += string(p) }); err != nil {
				t.Fatalf("in pieces of %d: %v", size, err)
			}
			p = p[n:]
		}
		if got != want {
			t.Errorf("in pieces of %d: %d bytes of data, want %d", size, len(got), len(want))
		}
		if pongs := strings.Repeat("\x8a\x81\x00\x00\x00\x007", 6); string(w.pongs) != pongs {
			t.Errorf("in pieces of %d: answers %q, want %q", size, w.pongs, pongs)
		}
	}
	for name, bad := range map[string][]byte{
		"a close": frame(opClose, ""), "a mask": {0x81, 0x81}, "a long ping": frame(opPing, strings.Repeat("x", 126)),
	} {
		if err := new(frames).feed(bad, func([]byte) {}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// A number is found in pieces of any size, and counted if it is not one more than the number before.
func TestSeqsInPieces(t *testing.T) {
	for _, tt := range []struct {
		numbers []int
		wrong   uint64
	}{
		{[]int{1, 2, 3, 4}, 0}, {[]int{9, 10, 11}, 0}, {[]int{1, 3, 4}, 1}, {[]int{1, 2, 2}, 1}, {[]int{1, 3, 2}, 2},
	} {
		text := ""
		for _, n := range tt.numbers {
			text += fmt.Sprintf(`{"type":"push","value":"%s","seq":%d}`, strings.Repeat("s", n), n)
		}
		for size := 1; size <= len(text); size++ {
			var wrong uint64
			s := seqs{wrong: &wrong}
			for p := text; p != ""; {
				n := min(size, len(p))
				s.take([]byte(p[:n]))
				p = p[n:]
			}
			if wrong != tt.wrong || s.last != uint64(tt.numbers[len(tt.numbers)-1]) {
				t.Fatalf("%v in pieces of %d: %d wrong, last %d", tt.numbers, size, wrong, s.last)
			}
		}
	}
}

// hall is a server of rooms; next makes the numbers of messages. It accepts pushes once the expected number of clients have
// entered and answered a ping.
type hall struct {
	mu     sync.Mutex
	rooms  int
	seqs   map[string]int
	in     map[string][]*websocket.Conn
	next   func(seq int) int
	absent int
	ready  chan struct{}
}

func (h *hall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	room := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/room/"), "/connect")
	switch {
	case r.URL.Path == "/new":
		h.mu.Lock()
		h.rooms++
		fmt.Fprintf(w, `{"room":"r%d"}`, h.rooms)
		h.mu.Unlock()
	case r.Method == http.MethodGet:
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ctx := ws.CloseRead(context.Background())
		if ws.Ping(ctx) != nil {
			return
		}
		h.mu.Lock()
		h.in[room] = append(h.in[room], ws)
		if h.absent--; h.absent == 0 {
			close(h.ready)
		}
		h.mu.Unlock()
		<-ctx.Done()
	default:
		h.push(room, r)
	}
}

func (h *hall) push(room string, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	select {
	case <-h.ready:
	case <-r.Context().Done():
		return
	}
	var m struct{ Value json.RawMessage }
	_ = json.Unmarshal(text, &m)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seqs[room]++
	for _, ws := range h.in[room] {
		_ = ws.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `{"value":%s,"seq":%d}`, m.Value, h.next(h.seqs[room])))
	}
}

// Rooms are made, WebSockets read them and answer pings, and wrong numbers are found.
func TestRunInRooms(t *testing.T) {
	for name, tt := range map[string]struct {
		next func(int) int
		want Check
	}{
		"right":        {func(n int) int { return n }, Check{Received: 80}},
		"a gap":        {func(n int) int { return n + n/8 }, Check{Received: 80, Unsequenced: 8}},
		"a standstill": {func(n int) int { return min(n, 9) }, Check{Received: 80, Unsequenced: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hall{seqs: map[string]int{}, in: map[string][]*websocket.Conn{}, next: tt.next, absent: 8, ready: make(chan struct{})}
			server := httptest.NewServer(h)
			defer server.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			report, err := Run(ctx, Options{
				Target: server.URL, Subscribe: "/room/{room}/connect", Publish: "/room/{room}", Body: `{"value":"{payload}"}`, ContentType: "application/json",
				WebSocket: true, Subscribers: 8, Channels: 2, Publishers: 1, Batch: 1, Events: 20, Size: 100, Wait: 10 * time.Second,
			})
			if report == nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(report.Check, tt.want) || (err == nil) != tt.want.OK() {
				t.Errorf("%+v %v, want %+v", report.Check, err, tt.want)
			}
		})
	}
}
