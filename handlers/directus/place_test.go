package directus

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
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
	h := &Handler{o: Options{Broker: b, Traffic: traffic.New(traffic.NewMetrics(prometheus.NewRegistry(), b, m), traffic.Limits{Pending: 10}, m)}}
	for _, who := range []*auth.Identity{nil, {Name: "ann", Scope: "ann"}} {
		c := &conn{h: h, group: b.NewGroup(), unwatch: func() {}, open: &writers.Stream{From: "192.0.2.1"}}
		if err := c.enter(who); err != nil {
			t.Fatal(err)
		}
		if c.known.Load() != (who != nil) {
			t.Errorf("%v: known is %v", who, c.known.Load())
		}
		c.giveBack()
		c.root.Close()
	}
}
