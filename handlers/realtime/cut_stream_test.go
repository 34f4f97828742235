package realtime_test

import (
	"bytes"
	"io"
	"testing"

	"sluice/gateway/gatewaytest"
)

// cutOnly cuts the only connection of a gateway.
func (g *gateway) cutOnly(t *testing.T) {
	t.Helper()
	open := g.AsAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any)
	if len(open) != 1 {
		t.Fatalf("the connections are %v", open)
	}
	g.AsAdmin(t, "DELETE", "/admin/connections/"+open[0].(map[string]any)["id"].(string), "", 204)
}

// TestCutStream: a stream that the administrator cuts ends without a last frame, and not as if it were complete.
func TestCutStream(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		w := g.Wire(t, gatewaytest.Get(gatewaytest.KeyAll, ""))
		g.cutOnly(t)
		if err := w.ToEnd(); err == io.EOF {
			t.Errorf("the stream ended as if it were complete: %q", w.Text)
		}
		if bytes.Contains(w.Text, []byte("\nevent: ")) {
			t.Errorf("the stream had a last frame: %q", w.Text)
		}
		g.AwaitSubscribers(t, 0)
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="cut"} 1`)
	})
	t.Run("HTTP/2", func(t *testing.T) {
		g := newGateway(t, func(s *setup) { s.TLS = true })
		stream := g.Stream(t, gatewaytest.KeyAll, "")
		g.cutOnly(t)
		if rest, err := io.ReadAll(stream.Answer.Body); err == nil || len(rest) > 0 {
			t.Errorf("the stream ended with %q, as if it were complete: %v", rest, err)
		}
	})
}
