package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// longPatterns are 100 patterns of 250 bytes, others for each n.
func longPatterns(n int) string {
	list := make([]string, 100)
	for i := range list {
		side := fmt.Sprintf("%d-%d-%s", n, i, strings.Repeat("x", 110))
		list[i] = side + ":" + side
	}
	return strings.Join(list, ",")
}

// TestStreamsFull: the same for streams, reported as temporary. Streams with the same patterns share their memory.
func TestStreamsFull(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withLittle)
	refused := 0
	for n := range 100 {
		if s := g.Open(t, gatewaytest.KeyAll, "?channels="+longPatterns(n)); s.Answer.StatusCode != http.StatusOK {
			refused = n
			break
		}
	}
	gatewaytest.Until(t, func() error { // the head of the last request is held by its address until its answer is out
		if held := g.Memory.Held(); refused < 10 || held > 1<<20 {
			return fmt.Errorf("%d streams hold %d bytes", refused, held)
		}
		return nil
	})
	g.RunAll(t, []scenario{
		{Name: "one more", Path: "?channels=" + longPatterns(1000), Status: 429, Has: []string{`"code":"client_memory_full_per_key"`, full}, ResponseHeaders: map[string]string{"Retry-After": "5"}},
		{Name: "an EventSource", Path: "?channels=" + longPatterns(1000), Headers: map[string]string{"Accept": "text/event-stream"}, Status: 200, Has: []string{"event: busy", `"status":429`}},
		{Name: "a page", Path: "?until=caught-up&channels=" + longPatterns(1000), Status: 429},
	})
	before := g.settledMemory(t)
	for range 20 { // the patterns are there
		if s := g.Open(t, gatewaytest.KeyAll, "?channels="+longPatterns(0)); s.Answer.StatusCode != http.StatusOK {
			t.Fatal(s.Answer.Status)
		}
	}
	for range 20 { // and a few take nothing that is charged
		if s := g.Open(t, gatewaytest.KeyAll, "?channels=a,b:c,PUT:d"); s.Answer.StatusCode != http.StatusOK {
			t.Fatal(s.Answer.Status)
		}
	}
	gatewaytest.Until(t, func() error {
		if held := g.Memory.Held(); held != before {
			return fmt.Errorf("%d bytes held, %d before", held, before)
		}
		return nil
	})
	s := g.Open(t, gatewaytest.KeyPublish, "?channels="+longPatterns(1000)) // somebody else
	if s.Answer.StatusCode != http.StatusOK {
		t.Error(s.Answer.Status)
	}
	g.Publish(t, `{"event":"a","data":1}`)
}

// settledMemory is what is held once the heads of answered requests are given back: it has not changed for a while.
func (g *gateway) settledMemory(t *testing.T) int64 {
	t.Helper()
	last, same := g.Memory.Held(), 0
	gatewaytest.Until(t, func() error {
		now := g.Memory.Held()
		if same++; now != last {
			last, same = now, 0
		}
		if same < 10 {
			return fmt.Errorf("%d bytes are held, and it changes", now)
		}
		return nil
	})
	return last
}
