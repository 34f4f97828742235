package realtime_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// TestHTTP2LeavesHandlers: 100 streams on one connection of HTTP/2 wait without the handlers that have answered their requests,
// get everything, and end with a last frame.
func TestHTTP2LeavesHandlers(t *testing.T) { // not parallel: it looks at all goroutines
	g := newGateway(t, func(s *setup) { s.TLS = true })
	const streams = 100
	answers := make([]*http.Response, streams)
	for i := range answers {
		r, err := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/realtime?channels=e", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Apikey", gatewaytest.KeyAll)
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answers[i] = answer; answer.ProtoMajor != 2 {
			t.Fatal(answer.Proto)
		}
	}
	stacks := make([]byte, 4<<20)
	gatewaytest.Until(t, func() error {
		text := string(stacks[:runtime.Stack(stacks, true)])
		if n := strings.Count(text, "(*goroutineStream).serve("); n != streams || strings.Contains(text, "(*Echo).ServeHTTP") {
			return fmt.Errorf("%d streams wait, and handlers: %v", n, strings.Contains(text, "(*Echo).ServeHTTP"))
		}
		return nil
	})
	id := g.Publish(t, `{"event":"e"}`)
	texts, buf := make([]string, streams), make([]byte, 4<<10)
	for i, answer := range answers {
		for !strings.Contains(texts[i], "id: "+id+"\nevent: e") {
			n, err := answer.Body.Read(buf)
			if texts[i] += string(buf[:n]); err != nil {
				t.Fatalf("stream %d: %v after %q", i, err, texts[i])
			}
		}
	}
	go g.Traffic.Drain(context.Background(), g.Broker)
	for i, answer := range answers {
		if text, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(text), "event: busy\n") {
			t.Fatalf("stream %d: %v after %q", i, err, text)
		}
	}
	g.AwaitMetric(t, fmt.Sprintf(`sluice_streams_ended_total{reason="draining"} %d`, streams))
}

// TestHTTP2ClientLeaves: a stream of HTTP/2 that its client resets ends at once; the others of the connection go on.
func TestHTTP2ClientLeaves(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.TLS = true })
	other := g.Stream(t, gatewaytest.KeyAll, "")
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/realtime", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", gatewaytest.KeyAll)
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	g.AwaitSubscribers(t, 2)
	leave()
	g.AwaitSubscribers(t, 1)
	g.AwaitMetric(t, `sluice_streams_ended_total{reason="gone"} 1`)
	id := g.Publish(t, `{"event":"e"}`)
	if e := other.Event(t); e.ID != id {
		t.Errorf("the other got %+v", e)
	}
}
