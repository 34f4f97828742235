package load

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A marker is found in pieces of any size, and nothing else counts as one.
func TestMarkersInPieces(t *testing.T) {
	want := marker{run: 0xabc, channel: 3, publisher: 2, number: 17}
	text := []byte("id: 1\ndata: {\"data\":\"~~ no ~1.2~ ")
	text = append(want.payload(text, 100), "\"}\n\n"...)
	chunked := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 40, text[:40], len(text)-40, text[40:])
	bare := append([]byte("HTTP/1.1 200 OK\r\n\r\n"), text...)
	for name, answer := range map[string][]byte{"chunked": chunked, "bare": bare} {
		for size := 1; size <= len(answer); size++ {
			var b body
			var got []marker
			for p := answer; len(p) > 0; {
				n := min(size, len(p))
				if err := b.feed(p[:n], func(m marker) { got = append(got, m) }); err != nil {
					t.Fatalf("%s in pieces of %d: %v", name, size, err)
				}
				p = p[n:]
			}
			if len(got) != 1 || got[0] != want {
				t.Fatalf("%s in pieces of %d: %+v, want %+v", name, size, got, want)
			}
		}
	}
	var b body
	if err := b.feed([]byte("HTTP/1.1 401 Unauthorized\r\n\r\nno"), func(marker) {}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a refusal: %v", err)
	}
}

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		numbers []uint64
		want    Check
	}{
		{[]uint64{0, 1, 2}, Check{Received: 3}},
		{[]uint64{0, 2}, Check{Received: 2, Lost: 1}},
		{[]uint64{0, 2, 1}, Check{Received: 3, Reordered: 1}},
		{[]uint64{0, 1, 1}, Check{Received: 3, Repeated: 1}},
		{[]uint64{3, 0, 0}, Check{Received: 3, Lost: 1, Reordered: 2}},
	} {
		var c Check
		tally := newTally(1, 2)
		for _, n := range tt.numbers {
			tally.add(marker{run: 7, channel: 1, publisher: 1, number: n}, 7, &c)
		}
		if c != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.numbers, c, tt.want)
		}
	}
	var c Check
	tally := newTally(1, 1)
	for _, m := range []marker{{run: 8, channel: 1}, {run: 7, channel: 2}, {run: 7, channel: 1, publisher: 1}} {
		tally.add(m, 7, &c)
	}
	if c.Foreign != 3 || c.OK() {
		t.Errorf("%+v", c)
	}
}

func TestLatency(t *testing.T) {
	var l Latency
	for i := range 1000 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{.5: 500 * time.Millisecond, .99: 990 * time.Millisecond, 1: time.Second} {
		if got := l.At(share); got < want*85/100 || got > want*115/100 {
			t.Errorf("%v: %s, want about %s", share, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	good := Options{Target: "http://127.0.0.1:1", Channels: 1, Publishers: 1, Batch: 1, Size: 200}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Options){
		"--subscribers": func(o *Options) { o.Subscribers = maxSubscribers + 1 },
		"--batch":       func(o *Options) { o.Batch = 1001 },
		"--size":        func(o *Options) { o.Size = minSize - 1 },
		"--hold":        func(o *Options) { o.Hold = 2 * time.Hour },
		"--stalled":     func(o *Options) { o.Stalled = 1 },
		"--read":        func(o *Options) { o.Read, o.Events = 10, 1 },
		"--among":       func(o *Options) { o.Among = 1 },
		"--say":         func(o *Options) { o.Say = []string{"hello"} },
		"--count":       func(o *Options) { o.Count, o.Events, o.Publishers = "put", 1, 2 },
		"--http2":       func(o *Options) { o.HTTP2 = 1 },
		"at most 1":     func(o *Options) { o.Target, o.HTTP2, o.Subscribers, o.Stalled = "https://127.0.0.1", 2, 4, 1 },
		"--websocket":   func(o *Options) { o.Target, o.HTTP2, o.WebSocket = "https://127.0.0.1", 1, true },
		"--ca":          func(o *Options) { o.CA = "file" },
		"--insecure":    func(o *Options) { o.Target, o.CA, o.Insecure = "https://127.0.0.1", "file", true },
		"--body":        func(o *Options) { o.Batch = 2 },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, target := range []string{"http://192.0.2.1:80", "ftp://127.0.0.1", "127.0.0.1:80", ""} {
		if _, err := address(target); err == nil {
			t.Errorf("%q was taken", target)
		}
	}
}

// Subscribers and publishers may have servers of their own.
func TestPublishElsewhere(t *testing.T) {
	both := &careless{streams: map[chan string]bool{}, times: func(int) int { return 1 }}
	only := func(method string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != method {
				t.Errorf("%s came to the server for %s", r.Method, method)
			}
			both.ServeHTTP(w, r)
		}))
	}
	read, write := only(http.MethodGet), only(http.MethodPost)
	defer read.Close()
	defer write.Close()
	report, err := Run(context.Background(), Options{
		Target: read.URL, PublishAt: write.URL, Subscribe: "/", Publish: "/", Body: "{payload}", ContentType: "text/plain",
		Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Events: 20, Size: 100, Wait: time.Second,
	})
	if err != nil || report.Check.Received != 60 {
		t.Errorf("%+v: %v", report, err)
	}
}

// careless is a server that sends each event as often as the test wants, in a form of its own.
type careless struct {
	mu      sync.Mutex
	streams map[chan string]bool
	times   func(n int) int
	n       int
}

func (s *careless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var b bytes.Buffer
		b.ReadFrom(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		for range s.times(s.n) {
			for c := range s.streams {
				c <- b.String()
			}
		}
		s.n++
		return
	}
	c := make(chan string, 1000)
	s.mu.Lock()
	s.streams[c] = true
	s.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			s.mu.Lock()
			delete(s.streams, c)
			s.mu.Unlock()
			return
		case text := <-c:
			fmt.Fprintf(w, "data: %s\n\n", text)
			w.(http.Flusher).Flush()
		}
	}
}

// Events that a server loses or repeats are found.
func TestRunFindsFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		times func(int) int
		want  Check
	}{
		"right":   {func(int) int { return 1 }, Check{Received: 60}},
		"loses":   {func(n int) int { return min(1, n%10) }, Check{Received: 54, Lost: 6}},
		"repeats": {func(n int) int { return 1 + n/19 }, Check{Received: 63, Repeated: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(&careless{streams: map[chan string]bool{}, times: tt.times})
			defer server.Close()
			report, err := Run(context.Background(), Options{
				Target: server.URL, Subscribe: "/", Publish: "/", Body: "{payload}", ContentType: "text/plain",
				Subscribers: 3, Channels: 1, Publishers: 1, Batch: 1, Events: 20, Size: 100, Wait: time.Second,
			})
			if report == nil {
				t.Fatal(err)
			}
			// The run is over when as many events have arrived as were published. A repetition counts, so one more may be late.
			if got := report.Check; got.Received < tt.want.Received-3 || got.Lost < tt.want.Lost || got.Lost > tt.want.Lost+got.Repeated || (err == nil) != tt.want.OK() {
				t.Errorf("%+v %v, want %+v", report.Check, err, tt.want)
			}
		})
	}
}
