package load

import (
	"context"
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

// A text is found in pieces of any size, and each occurrence only once.
func TestFinderInPieces(t *testing.T) {
	for text, want := range map[string]int{"": 0, "put": 1, "xputput putpu tput": 4, "aput\nid: putt": 2, "pu": 0, "ppuput": 1} {
		for size := 1; size <= len(text); size++ {
			f := finder{text: []byte("put")}
			got := 0
			for p := text; p != ""; {
				n := min(size, len(p))
				got += f.count([]byte(p[:n]))
				p = p[n:]
			}
			if got != want {
				t.Errorf("%q in pieces of %d: %d, want %d", text, size, got, want)
			}
		}
	}
}

// A long message is a frame, too.
func TestSaidInFrames(t *testing.T) {
	for _, n := range []int{0, 125, 126, 1<<16 - 1, 1 << 16} {
		text := strings.Repeat("x", n)
		o := Options{Say: []string{text}}
		got, err := o.messages(0, 0)
		want := appendMasked(frame(opText, text))
		if err != nil || string(got) != string(want) {
			t.Errorf("%d bytes: %.20q %v, want %.20q", n, got, err, want)
		}
	}
}

// appendMasked is a server's frame as a client would send it, with a mask of zeros.
func appendMasked(server []byte) []byte {
	head := 2
	switch server[1] {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	client := append([]byte{}, server[:head]...)
	client[1] |= 0x80
	return append(append(client, 0, 0, 0, 0), server[head:]...)
}

// Each occurrence counts as the next event, and one too many as a repetition.
func TestCounted(t *testing.T) {
	for _, tt := range []struct {
		published, arrived int
		want               Check
	}{
		{3, 3, Check{Received: 3}}, {3, 4, Check{Received: 4, Repeated: 1}}, {1, 3, Check{Received: 3, Repeated: 2}}, {3, 2, Check{Received: 2}},
	} {
		all := newPublishers(&Options{Publishers: 1, Channels: 1, Events: 3, Count: "put"}, 7, nil, nil)
		all.begin(0, tt.published, time.UnixMicro(1000))
		var check Check
		tally := newTally(0, 1)
		c := counted{finder: finder{text: []byte("put")}, all: all}
		c.take([]byte(strings.Repeat("put", tt.arrived)), func(m marker) {
			tally.add(m, 7, &check)
			if m.sent != 1000 {
				t.Errorf("%+v: sent at %d", tt, m.sent)
			}
		})
		if check != tt.want || int(tally.next[0]) != min(tt.published, tt.arrived) {
			t.Errorf("%+v: %+v, then %d is expected", tt, check, tally.next[0])
		}
	}
}

// textServer is a server that sends no events, but a text each time one was published.
type textServer struct {
	mu    sync.Mutex
	there []*websocket.Conn
	said  map[string]bool
	asked []string
	times func(n int) int
}

func (s *textServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("Upgrade") == "" {
		text, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		for range s.times(len(s.asked)) {
			for _, ws := range s.there {
				_ = ws.Write(context.Background(), websocket.MessageText, []byte("changed"))
			}
		}
		s.asked = append(s.asked, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("Content-Type"), " ", string(text)))
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	for range 2 {
		_, text, err := ws.Read(context.Background())
		if err != nil {
			return
		}
		s.mu.Lock()
		s.said[string(text)] = true
		s.mu.Unlock()
	}
	// Publishers must not publish meanwhile: this subscriber would miss the events. It waits for real, because nothing tells
	// that a publisher does not publish, and the load generator reads its sockets by epoll, outside any bubble of synctest.
	time.Sleep(50 * time.Millisecond)
	s.mu.Lock()
	s.there = append(s.there, ws)
	_ = ws.Write(context.Background(), websocket.MessageText, []byte("all ready"))
	s.mu.Unlock()
	_, _, _ = ws.Read(context.Background())
}

// Subscribers send their messages, the publishers wait until all are ready, and events without a payload are counted.
func TestRunCounts(t *testing.T) {
	for name, tt := range map[string]struct {
		times func(int) int
		want  Check
	}{
		"right": {func(int) int { return 1 }, Check{Received: 60}},
		"loses": {func(n int) int { return min(1, n) }, Check{Received: 57, Lost: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &textServer{said: map[string]bool{}, times: tt.times}
			server := httptest.NewServer(s)
			defer server.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			report, err := Run(ctx, Options{
				Target: server.URL, Subscribe: "/", Method: "PUT", Publish: "/doc{n}", Body: "b{n}", ContentType: "text/plain",
				WebSocket: true, Say: []string{"I am {i}", "listening"}, Ready: "all ready", Count: "changed",
				Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Events: 20, Size: 100, Wait: time.Second,
			})
			if report == nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(report.Check, tt.want) || (err == nil) != tt.want.OK() {
				t.Errorf("%+v %v, want %+v", report.Check, err, tt.want)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if want := map[string]bool{"I am 0": true, "I am 1": true, "I am 2": true, "listening": true}; !reflect.DeepEqual(s.said, want) {
				t.Errorf("the subscribers said %v, want %v", s.said, want)
			}
			if s.asked[0] != "PUT /doc000000000 text/plain b000000000" || s.asked[19] != "PUT /doc000000019 text/plain b000000019" {
				t.Errorf("published were %q", s.asked)
			}
		})
	}
}

// A request without a body has no header for one.
func TestRunWithoutBody(t *testing.T) {
	s := &textServer{times: func(int) int { return 0 }}
	server := httptest.NewServer(s)
	defer server.Close()
	_, err := Run(context.Background(), Options{
		Target: server.URL, Method: "GET", Publish: "/{n}", ContentType: "text/plain", Channels: 1, Publishers: 1, Batch: 1, Events: 2, Size: 100,
	})
	if want := []string{"GET /000000000  ", "GET /000000001  "}; err != nil || !reflect.DeepEqual(s.asked, want) {
		t.Errorf("%q %v, want %q", s.asked, err, want)
	}
}
