package driftdb

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/share"
)

// TestErrors: the exact message to a WebSocket for each cause, its count by the code that all doors share, and the cause of
// the gateway's own faults in the log alone.
func TestErrors(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, c := range []struct {
		err         error
		code, words string
		logged      bool
	}{
		{undecodable(errors.New("no JSON")), "bad_event", "Could not decode message: no JSON", false},
		{&share.FullError{Limit: 5}, "client_memory_full_per_key", "this credential (without one, this address) uses as much memory as MAX_MEMORY_PER_KEY allows, 5 bytes; end connections or subscriptions, or send less", false},
		{&share.FullError{Limit: 5, All: true}, "client_memory_full", "all clients together use as much memory as MAX_CLIENT_MEMORY allows, 5 bytes; try again later", false},
		{broker.ErrDraining, "draining", "the gateway is shutting down; come back in a moment", false},
		{httperr.New(413, httperr.RoomFull, "the room is %q", "full"), "room_full", `the room is \"full\"`, false},
		{fmt.Errorf("%w: /srv/secret", eventlog.ErrUnavailable), "unavailable", "the log cannot take events now", true},
		{fmt.Errorf("%w: /srv/secret", eventlog.ErrUnknown), "unknown_outcome", "the log cannot take events now; it is unknown if this was stored: check before you repeat it", true},
		{errors.New("/srv/secret"), "internal", "the gateway failed; its log has the cause under the X-Request-Id of the request", true},
	} {
		var lines bytes.Buffer
		registry, b, m := prometheus.NewRegistry(), broker.New(log, broker.Options{}), share.NewMemory(1, 1)
		one := &conn{lease: &traffic.Lease{Stream: writers.Stream{RequestID: "id1"}}, h: &Handler{o: Options{
			Logger:  slog.New(slog.NewTextHandler(&lines, nil)),
			Traffic: traffic.New(traffic.NewMetrics(registry, b, m), traffic.Limits{}, m),
		}}}
		if got, want := string(one.refusal(c.err)), `{"type":"error","message":"`+c.words+`"}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		one.mode = modeCBOR
		if got, words := one.refusal(c.err), strings.ReplaceAll(c.words, `\"`, `"`); !bytes.HasSuffix(got, []byte(words)) {
			t.Errorf("%s: %q", words, got)
		}
		if got := strings.Contains(lines.String(), "/srv/secret") && strings.Contains(lines.String(), "request_id=id1"); got != c.logged {
			t.Errorf("%v: the log has %q", c.err, lines.String())
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		counted := ""
		for _, f := range families {
			if f.GetName() == "sluice_refused_total" {
				counted = f.String()
			}
		}
		if !strings.Contains(counted, `value:"`+c.code+`"`) || !strings.Contains(counted, `value:"rooms"`) {
			t.Errorf("%v: counted as %s", c.err, counted)
		}
	}
}
