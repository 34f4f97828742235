package traffic

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/share"
)

// TestRefuseStream: trouble that passes is one frame for an EventSource, with its id where that can be one and a time to
// come back; others, and what does not pass, get the error itself.
func TestRefuseStream(t *testing.T) {
	t.Parallel()
	passing, lasting := error(&share.FullError{Limit: 5, All: true}), error(httperr.New(403, httperr.Forbidden, "no"))
	const message = `"message":"all clients together use as much memory as MAX_CLIENT_MEMORY allows, 5 bytes; try again later"`
	for _, c := range []struct {
		method, accept, id string
		err                error
		want               string // of the answer, or of the error
	}{
		{"GET", "text/event-stream", "", passing, "200 retry: N\nevent: busy\ndata: {\"event\":\"busy\",\"data\":{\"status\":503," + message + "}}\n\n"},
		{"GET", "text/html, Text/Event-Stream;q=0.9", "17", passing, "200 retry: N\nevent: busy\nid: 17\ndata: {\"event\":\"busy\",\"data\":{\"status\":503," + message + "}}\n\n"},
		{"GET", "text/event-stream", "17\nx", passing, "200 retry: N\nevent: busy\ndata: {\"event\":\"busy\",\"data\":{\"status\":503," + message + "}}\n\n"},
		{"GET", "text/event-stream", "", broker.ErrDraining, "200 retry: N\nevent: busy\ndata: {\"event\":\"busy\",\"data\":{\"status\":503,\"message\":\"the gateway is shutting down; come back in a moment\"}}\n\n"},
		{"HEAD", "text/event-stream", "", passing, "200 "},
		{"GET", "text/event-streams", "", passing, "error 503 client_memory_full"},
		{"GET", "*/*", "", passing, "error 503 client_memory_full"},
		{"GET", "text/event-stream", "", lasting, "error 403 forbidden"},
		{"GET", "text/event-stream", "", errors.New("broken"), "error 500 internal"},
	} {
		traffic := &Traffic{Metrics: &Metrics{busy: prometheus.NewCounter(prometheus.CounterOpts{Name: "busy"})}}
		r := httptest.NewRequest(c.method, "/", nil)
		r.Header.Set("Accept", c.accept)
		answer := httptest.NewRecorder()
		ctx := echo.New().NewContext(r, answer)
		got := ""
		if err := traffic.RefuseStream(ctx, slog.New(slog.DiscardHandler), c.id, c.err); err != nil {
			e := httperr.From(err)
			got = fmt.Sprintf("error %d %s", e.Status, e.Code)
			if answer.Body.Len() > 0 || read(traffic.busy) != 0 {
				t.Errorf("%s: it was answered, or counted as busy", c.err)
			}
		} else {
			got = fmt.Sprintf("%d %s", answer.Code, regexp.MustCompile(`retry: ([2-9]\d{3}|10000)\n`).ReplaceAllString(answer.Body.String(), "retry: N\n"))
			if status, code := httperr.Noted(ctx); status != 503 || code == "" || read(traffic.busy) != 1 || answer.Header().Get("Content-Type") != "text/event-stream" {
				t.Errorf("%s: noted as %d %s", c.err, status, code)
			}
		}
		if got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.accept, got, c.want)
		}
	}
}
