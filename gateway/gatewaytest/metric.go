package gatewaytest

import (
	"io"
	"strings"
	"testing"
	"time"
)

// AwaitMetric waits for a line of /metrics: the counts of ends change a moment after the number of subscribers.
func (g *Gateway) AwaitMetric(t *testing.T, line string) {
	t.Helper()
	text := ""
	for range 500 {
		answer, err := g.Client().Get(g.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(answer.Body)
		if answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if text = string(all); strings.Contains(text, line+"\n") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	var of []string
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "sluice_connections") || strings.HasPrefix(l, "sluice_streams_") {
			of = append(of, l)
		}
	}
	t.Errorf("no %q in %q", line, of)
}
