package gatewaytest

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/broker/sse/ssetest"
)

// Stream is an open GET, parsed by a parser that shares nothing with the encoder.
type Stream struct {
	Answer *http.Response
	Parser ssetest.Parser
	Queue  []ssetest.Event
	Bytes  []byte

	Connection string // as its init names it
}

// initObject is the data of the first frame.
var initObject = regexp.MustCompile(`^\{"channel":"init","data":\{\},"connection":"([A-Za-z0-9_-]{22})"\}$`)

// Stream opens a stream and reads its init event.
func (g *Gateway) Stream(t testing.TB, key, query string, headers ...string) *Stream {
	t.Helper()
	s := g.Open(t, key, query, headers...)
	if s.Answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", s.Answer.StatusCode)
	}
	init := s.Event(t)
	is := initObject.FindStringSubmatch(init.Data)
	if init.Name != "" || is == nil {
		t.Fatalf("the first frame is %+v", init)
	}
	s.Connection = is[1]
	return s
}

// Open opens a stream, whatever the answer is.
func (g *Gateway) Open(t testing.TB, key, query string, headers ...string) *Stream {
	t.Helper()
	return g.OpenAt(t, key, "/realtime"+query, headers...)
}

// OpenAt is Open for another path.
func (g *Gateway) OpenAt(t testing.TB, key, path string, headers ...string) *Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", key)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	// The stream has connections of its own. The gateway closes the connection of a stream that it has ended. A publish
	// that reused the connection at that moment would be lost.
	transport := g.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = nil // it refers to the gateway
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		answer.Body.Close()
		transport.CloseIdleConnections()
	})
	return &Stream{Answer: answer}
}

// Event returns the next event except pings.
func (s *Stream) Event(t testing.TB) ssetest.Event {
	t.Helper()
	for {
		if len(s.Queue) > 0 {
			e := s.Queue[0]
			if s.Queue = s.Queue[1:]; e.Name == "ping" {
				continue
			}
			return e
		}
		buf := make([]byte, 4096)
		n, err := s.Answer.Body.Read(buf)
		s.Bytes = append(s.Bytes, buf[:n]...)
		events, perr := s.Parser.Feed(buf[:n])
		s.Queue = append(s.Queue, events...)
		if (err != nil || perr != nil) && len(s.Queue) == 0 {
			t.Fatalf("the stream ended: %v %v after %.300q", err, perr, s.Bytes)
		}
	}
}

// Publish publishes as KeyAll, and returns the id of the first event.
func (g *Gateway) Publish(t testing.TB, body string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, g.URL+"/realtime", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", KeyAll)
	r.Header.Set("Content-Type", "application/json")
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", body, answer.StatusCode, text, err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(text)), `{"message":"OK","id":"`), `"}`)
}

// StreamEvents reads the events of a stream in the background.
func (g *Gateway) StreamEvents(t *testing.T, key string) (<-chan ssetest.Event, func()) {
	t.Helper()
	s := g.Open(t, key, "")
	events := make(chan ssetest.Event, 100)
	go func() {
		defer close(events)
		var p ssetest.Parser
		r := bufio.NewReader(s.Answer.Body)
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			some, perr := p.Feed(buf[:n])
			for _, e := range some {
				events <- e
			}
			if err != nil || perr != nil {
				return
			}
		}
	}()
	return events, func() { s.Answer.Body.Close() }
}

// NextOf waits for a frame with the given name.
func NextOf(t *testing.T, events <-chan ssetest.Event, name string) ssetest.Event {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended before %q", name)
			}
			if e.Name == name || name == "init" && strings.Contains(e.Data, "init") {
				return e
			}
		case <-deadline:
			t.Fatalf("no %q came", name)
		}
	}
}
