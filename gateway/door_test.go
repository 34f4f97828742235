package gateway_test

import (
	"errors"
	"net/http"
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

// toy is a whole door, as one in a folder of its own would be.
type toy struct{ closed bool }

func (*toy) Register(e *echo.Echo) {
	e.GET("/toy", func(c echo.Context) error { return c.String(http.StatusOK, "squeak") })
}

func (*toy) CORS() []cors.Rule {
	return []cors.Rule{{Path: "/toy", Methods: "GET", Headers: []string{"X-Toy"}, Exposed: []string{"X-Squeak"}}}
}

func (d *toy) Close() error {
	d.closed = true
	return nil
}

// A door is one line: its routes, its CORS rules and its end come with it, and the doors beside it stay as they are.
func TestToyDoor(t *testing.T) {
	t.Parallel()
	door := &toy{}
	g := gatewaytest.Start(t, func(s *gatewaytest.Setup) {
		s.Doors = []gateway.Opener{func(*gateway.Gateway) (handlers.Door, error) { return door, nil }}
	})
	preflight := map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
	g.RunAll(t, []gatewaytest.Scenario{
		{Name: "route", Path: "/toy", Status: 200, Has: []string{"squeak"}, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id, X-Squeak",
		}},
		{Name: "HEAD", Method: "HEAD", Path: "/toy", Status: 200},
		{Name: "slash", Path: "/toy/", Status: 200},
		{Name: "method", Method: "DELETE", Path: "/toy", Status: 405},
		{Name: "preflight", Method: "OPTIONS", Path: "/toy", Key: "-", Headers: preflight, Status: 204, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Methods": "GET",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control, X-Toy",
		}},
		{Name: "no rule for the path beside it", Path: "/toys", Status: 404, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": ""}},
		{Name: "another door", Body: `{"event":"a"}`, Status: 200},
	})
	g.Stop(t)
	if !door.closed {
		t.Error("the door is not closed")
	}
}

// A gateway that cannot be built leaves nothing behind: what was opened is closed, and no goroutine goes on.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	fault := errors.New("it does not open")
	door := &toy{}
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
