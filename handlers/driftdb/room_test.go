package driftdb_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/broker"
	"sluice/broker/eventlog"
	"sluice/broker/eventlog/memory"
	"sluice/handlers/driftdb"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
)

// door is the handler over an engine, with the test's own time.
func door(t *testing.T, engine eventlog.Engine, retention time.Duration) *echo.Echo {
	t.Helper()
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := broker.New(log, broker.Options{})
	h, err := driftdb.New(driftdb.Options{
		Broker: b, Traffic: traffic.New(traffic.NewMetrics(prometheus.NewRegistry(), b), traffic.Limits{}), Logger: slog.New(slog.DiscardHandler),
		Create: driftdb.Anybody, Retention: retention, PingInterval: time.Minute, WriteTimeout: time.Second, ReadTimeout: time.Second, MaxBody: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(h.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	e := echo.New()
	e.HTTPErrorHandler = httperr.Handler(slog.New(slog.DiscardHandler))
	h.Register(e)
	return e
}

type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error { return nil }

func ask(t *testing.T, e *echo.Echo, method, path, body string) (status int, answer string) {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(deadlines{w}, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func newRoom(t *testing.T, e *echo.Echo) string {
	t.Helper()
	var made struct{ Room string }
	if status, text := ask(t, e, http.MethodPost, "/new", ""); status != http.StatusOK || json.Unmarshal([]byte(text), &made) != nil {
		t.Fatal(status, text)
	}
	return "/room/" + made.Room
}

// Who keeps rooms for longer than there is time since 1970 keeps them.
func TestLongRetention(t *testing.T) {
	t.Parallel()
	for _, retention := range []time.Duration{24 * time.Hour, 876000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			e := door(t, memory.Open(memory.Options{}), retention)
			room := newRoom(t, e)
			time.Sleep(12 * time.Hour)
			if status, text := ask(t, e, http.MethodGet, room, ""); status != http.StatusOK {
				t.Errorf("kept for %s: %d %s", retention, status, text)
			}
			time.Sleep(13 * time.Hour)
			want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[retention == 24*time.Hour]
			if status, text := ask(t, e, http.MethodGet, room, ""); status != want {
				t.Errorf("kept for %s: %d %s", retention, status, text)
			}
		})
	}
}
