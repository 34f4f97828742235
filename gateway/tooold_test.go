//go:build unix

package gateway_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/config"
	"sluice/gateway"
	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog/journal"
	"sluice/store/eventlog/memory"
)

// A gateway that cannot catch up does not wait for that for ever: the journal was purged after its folder was looked at. It ends, so
// that it is started again and loads a snapshot.
func TestGatewayThatIsTooOldEnds(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	b, err := bus.Connect(bus.Options{URL: url, Cluster: "test", Node: "test", Secret: clusterSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := gateway.InitCluster(ctx, &config.Config{DataDir: t.TempDir()}, b, gateway.InitOptions{Bytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(b.Conn())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // messages that gateways leave out
		if _, err := js.Publish(ctx, b.Subject("journal.in"), nil); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := js.Stream(ctx, "SLUICE_test")
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeKeep(1))
	}
	if err != nil {
		t.Fatal(err)
	}

	cfg, err := config.Load([]string{"ADDR=127.0.0.1:0", "API_KEYS=" + gatewaytest.Keys}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := gatewaytest.Setup{Config: *cfg}
	inCluster(url, t.TempDir(), "old")(&s)
	s.Engine = memory.Open(memory.Options{}) // its folder is not looked at
	ended := make(chan error, 1)
	go func() { // until it ends, or the test does
		g, err := gateway.New(&s.Config, s.Options)
		if err == nil {
			g.Close()
		}
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		t.Fatal("it waits for what the journal does not have any more")
	}
	if !errors.As(err, new(*journal.TooOldError)) {
		t.Errorf("it ended with %v", err)
	}
}
