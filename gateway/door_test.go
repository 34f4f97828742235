package gateway_test

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"sluice/config"
	"sluice/gateway"
	"sluice/gateway/gatewaytest"
	"sluice/handlers"
	"sluice/handlers/cors"
	"sluice/store/eventlog/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startToy starts a gateway with the toy door beside its own.
func startToy(t *testing.T, change ...func(*gatewaytest.Setup)) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, append(change, func(s *gatewaytest.Setup) {
		shards := s.Shards
		s.Doors = []gateway.Opener{func(g *gateway.Gateway) (handlers.Door, error) { return openToy(g, shards) }}
	})...)
}

// A door is one line: its routes, its CORS rules, its name and its end come with it, and the doors beside it stay as they are.
func TestToyDoor(t *testing.T) {
	t.Parallel()
	g := startToy(t)
	ndjson := map[string]string{"Content-Type": "application/x-ndjson"}
	preflight := map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
	g.RunAll(t, []gatewaytest.Scenario{ // HEAD, which has the checks of GET, and ends
		{Name: "HEAD", Method: "HEAD", Path: "/toy/squeak", Status: 200, ResponseHeaders: ndjson},
		{Name: "slash", Method: "HEAD", Path: "/toy/squeak/", Status: 200, ResponseHeaders: ndjson},
		{Name: "granted", Method: "HEAD", Path: "/toy/put:customer", Key: gatewaytest.KeyPut, Status: 200},
		{Name: "granted, encoded", Method: "HEAD", Path: "/toy/put%3Acustomer", Key: gatewaytest.KeyPut, Status: 200},
		{Name: "not granted", Method: "HEAD", Path: "/toy/squeak", Key: gatewaytest.KeyPut, Status: 403},
		{Name: "no channel", Method: "HEAD", Path: "/toy/a:b:c", Status: 400},
		{Name: "no credential", Method: "HEAD", Path: "/toy/squeak", Key: "-", Status: 401},
		{Name: "another origin", Method: "HEAD", Path: "/toy/squeak", Key: gatewaytest.KeyOrigin, Headers: map[string]string{"Origin": "https://b.example"}, Status: 403},
		{Name: "method", Method: "DELETE", Path: "/toy/squeak", Status: 405},
		{Name: "no route", Path: "/toy", Status: 404, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id, X-Squeak",
		}},
		{Name: "preflight", Method: "OPTIONS", Path: "/toy/squeak", Key: "-", Headers: preflight, Status: 204, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Methods": "GET, HEAD",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control, X-Toy",
		}},
		{Name: "no rule for the path beside it", Path: "/toys", Status: 404, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": ""}},
		{Name: "another door", Body: `{"event":"a"}`, Status: 200},
	})
	g.AwaitMetric(t, `sluice_refused_total{code="missing_credential",door="toy"} 1`)
	g.AwaitMetric(t, `sluice_refused_total{code="not_found",door="toy"} 1`)
	g.AwaitMetric(t, `sluice_refused_total{code="not_found",door="other"} 1`)
}

// A door's streams have the limits, the resuming and the drain of all streams, by either writer.
func TestToyStreams(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*gatewaytest.Setup)) {
		g := startToy(t, writer, func(s *gatewaytest.Setup) { s.MaxConnectionsPerKey = 1 })
		first := g.Publish(t, `{"event":"squeak","data":1}`)
		s := g.OpenAt(t, gatewaytest.KeyAll, "/toy/squeak", "Last-Event-ID", first)
		full := gatewaytest.Scenario{Method: "HEAD", Path: "/toy/squeak", Status: 429}
		full.Run(t, g)
		g.Publish(t, `{"event":"other","data":2}`)
		g.Publish(t, `{"event":"squeak","data":3}`)
		lines := bufio.NewReader(s.Answer.Body)
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasSuffix(line, `"event":"squeak","data":3}`+"\n") {
			t.Errorf("%q, %v", line, err)
		}
		if err := g.Traffic.Drain(t.Context(), g.Broker); err != nil {
			t.Error(err)
		}
		if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
			t.Errorf("%q, %v", rest, err)
		}
		g.AwaitMetric(t, `sluice_streams_ended_total{reason="draining"} 1`)
		drained := gatewaytest.Scenario{Method: "HEAD", Path: "/toy/squeak", Status: 503}
		drained.Run(t, g)
	})
}

// closing is a door that knows that it was closed.
type closing struct{ closed bool }

func (*closing) Name() string { return "closing" }

func (*closing) Register(*echo.Echo) {}

func (*closing) CORS() []cors.Rule { return nil }

func (d *closing) Close() error {
	d.closed = true
	return nil
}

// A gateway that cannot be built leaves nothing behind: what was opened is closed, and no goroutine goes on.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	fault := errors.New("it does not open")
	door := &closing{}
	cfg, err := config.Load([]string{"DATA_DIR=memory", "ADMIN_KEY=0123456789abcdef", "ROOM_CREATE=open"}, "")
	if err != nil {
		t.Fatal(err)
	}
	engine := memory.Open(memory.Options{})
	_, err = gateway.New(cfg, gateway.Options{Engine: engine, Doors: []gateway.Opener{
		func(*gateway.Gateway) (handlers.Door, error) { return door, nil },
		func(*gateway.Gateway) (handlers.Door, error) { return nil, fault },
	}})
	if !errors.Is(err, fault) || !door.closed {
		t.Errorf("%v; closed %v", err, door.closed)
	}
}

// The settings stay as they are, though documents have another name for a field.
func TestSettingsStay(t *testing.T) {
	t.Parallel()
	fields := []string{"date_created", "n"}
	gatewaytest.Start(t, func(s *gatewaytest.Setup) { s.CollectionIndexes = config.Indexes{"m": fields} })
	if fields[0] != "date_created" {
		t.Errorf("COLLECTION_INDEXES are %q now", fields)
	}
}
