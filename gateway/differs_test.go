//go:build unix

package gateway_test

import (
	"context"
	"encoding/json"
	"errors"

	"sync/atomic"
	"testing"
	"time"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/cluster/peers"
	"sluice/config"
	"sluice/gateway"
	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog/journal"
)

// A gateway that has no publishers compares its state with the beats of others. One that says the same is no reason to stop; when it
// says something else of the same place, that is counted, and ends the gateway, since nobody agrees with it.
func TestGatewayThatDiffersStops(t *testing.T) {
	t.Parallel()
	url, dir := clustertest.NATS(t), t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	b, err := bus.Connect(bus.Options{URL: url, Cluster: "test", Node: "other", Secret: clusterSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := gateway.InitCluster(ctx, &config.Config{DataDir: dir}, b, gateway.InitOptions{Bytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	g, served := serve(t, ctx, inCluster(url, dir, "one"))

	var said atomic.Pointer[peers.State] // what the gateway said last
	var beats atomic.Int64
	err = b.Listen("peers.beat", func(body []byte) {
		var beat struct {
			Node string
			peers.State
		}
		if json.Unmarshal(body, &beat) == nil && beat.Node == "one" {
			said.Store(&beat.State)
			beats.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "a beat", func() bool { return said.Load() != nil })
	other, err := peers.Open(ctx, peers.Options{Network: b, Node: "other", Origin: journal.NewOrigin()})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var lies atomic.Bool
	other.Start(func() peers.State {
		claim := *said.Load()
		if lies.Load() {
			claim.Chain++
		}
		return claim
	})
	until(t, "the other gateway", func() bool { return metric(t, g, "sluice_cluster_gateways") == 2 })
	before := beats.Load()
	until(t, "time for comparisons", func() bool { return beats.Load() >= before+3 }) // there is one between two beats
	if n := metric(t, g, "sluice_cluster_differs_total"); n != 0 {
		t.Errorf("%v claims differ, and the other one says the same", n)
	}
	lies.Store(true)
	until(t, "a claim that differs", func() bool { return metric(t, g, "sluice_cluster_differs_total") > 0 })
	select {
	case err = <-served:
	case <-ctx.Done():
		t.Fatal("the gateway goes on")
	}
	if !errors.Is(err, journal.ErrDiffers) {
		t.Errorf("the gateway ended with %v", err)
	}
}

// serve runs a whole gateway, which ends with the test. Its error comes by the channel.
func serve(t *testing.T, ctx context.Context, change func(*gatewaytest.Setup)) (*gateway.Gateway, <-chan error) {
	t.Helper()
	cfg, err := config.Load([]string{"ADDR=127.0.0.1:0", "API_KEYS=" + gatewaytest.Keys}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := gatewaytest.Setup{Config: *cfg}
	change(&s)
	g, err := gateway.New(&s.Config, s.Options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(ctx)
	served, ended := make(chan error, 1), make(chan struct{})
	t.Cleanup(func() {
		end()
		<-ended
		g.Close()
	})
	if err := g.Listen(); err != nil {
		close(ended)
		t.Fatal(err)
	}
	go func() { // until the test ends
		defer close(ended)
		served <- g.Serve(ctx)
	}()
	return g, served
}

// metric is the value of a metric without labels.
func metric(t *testing.T, g *gateway.Gateway, name string) float64 {
	t.Helper()
	all, err := g.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == name {
			one := m.GetMetric()[0]
			return one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
