package directus

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/traffic"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/share"
)

// A connection that comes with a credential is known once it has its place, which is before anything is read of it: else
// its first message could be no longer than a stranger's.
func TestKnownOnceEntered(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b, m := broker.New(log, broker.Options{}), share.NewMemory(1<<20, 1<<20)
	counts := traffic.New(traffic.NewMetrics(prometheus.NewRegistry(), b, m), traffic.Limits{Pending: 10}, m)
	h, err := New(Options{Broker: b, Traffic: counts, Shards: -1})
	if err != nil {
		t.Fatal(err)
	}
	request := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/websocket", nil), httptest.NewRecorder())
	for _, who := range []*auth.Identity{nil, {Name: "ann", Scope: "ann"}} {
		c := &conn{h: h, lease: h.streams.Lease(request, cmp.Or(who, nobody)), group: b.NewGroup()}
		if err := c.enter(who); err != nil {
			t.Fatal(err)
		}
		if c.authenticated.Load() != (who != nil) {
			t.Errorf("%v: known is %v", who, c.authenticated.Load())
		}
		c.lease.Close()
		if b.Count() != 0 || counts.Streams() != 0 {
			t.Errorf("%d subscribers and %d streams are left", b.Count(), counts.Streams())
		}
	}
}
