package handlers_test

import (
	"log/slog"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog/memory"
)

// A handler that panics is a 500 in the words of its door, and shows nothing of the cause. The log has it.
func TestPanicsInTheWordsOfTheDoor(t *testing.T) {
	t.Parallel()
	engine, logged := &fragile{Engine: memory.Open(memory.Options{})}, &sink{}
	g := newGateway(t, gatewaytest.WithDocuments, func(s *setup) { s.Engine, s.Logger = engine, slog.New(slog.NewTextHandler(logged, nil)) })
	if status, text := g.call(t, "PUT /db/orders", ""); status >= 300 {
		t.Fatal(status, text)
	}
	engine.reads.Store(true)
	engine.begins.Store(true)
	const message = "the gateway failed; its log has the cause under the X-Request-Id of the request"
	for what, want := range map[string]string{
		"GET /rest/customer":     `{"message":"` + message + `","code":"internal"}`,
		"GET /items/customer":    gatewaytest.Refusal("INTERNAL_SERVER_ERROR", message),
		"GET /db/orders/streams": `{"error":"Internal service error"}`,
		"GET /db/orders/events":  `{"error":"Internal service error"}`,
	} {
		status, text := g.call(t, what, "")
		if status != 500 || !strings.Contains(text, want) || strings.Contains(text, "panics") {
			t.Errorf("%s: %d %s, want %s", what, status, text, want)
		}
	}
	if !strings.Contains(logged.String(), "the engine panics") {
		t.Errorf("the log lacks the cause: %s", logged)
	}
}
