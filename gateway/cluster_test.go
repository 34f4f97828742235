//go:build unix

package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/config"
	"sluice/gateway"
	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/eventlog/pebble"
)

var clusterSecret = strings.Repeat("s", 32)

// node starts a gateway of a cluster.
func node(t *testing.T, url, dir, name string, logs *bytes.Buffer) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.Start(t, inCluster(url, dir, name), func(s *gatewaytest.Setup) {
		if logs != nil {
			s.Logger = slog.New(slog.NewTextHandler(logs, nil))
		}
	})
}

func inCluster(url, dir, name string) func(*gatewaytest.Setup) {
	return func(s *gatewaytest.Setup) {
		s.DataDir, s.ClusterURL, s.ClusterName, s.ClusterNode, s.ClusterSecret = dir, url, "test", name, clusterSecret
	}
}

// ids are the ids of all events that a gateway gives.
func ids(t *testing.T, g *gatewaytest.Gateway) []string {
	t.Helper()
	return g.History(t, gatewaytest.KeyAll, "?from=earliest&until=caught-up").IDs
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	gatewaytest.Until(t, func() error {
		if !is() {
			return errors.New("there is no sign of: " + what)
		}
		return nil
	})
}

// The log of a gateway that was alone becomes that of a cluster; a new gateway loads it; one that was away for longer than the
// journal keeps messages loads it again.
func TestClusterBeginsWithALog(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	one, two := t.TempDir(), t.TempDir()
	b, err := bus.Connect(bus.Options{URL: url, Cluster: "test", Node: "test", Secret: clusterSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cfg := &config.Config{DataDir: one}

	alone := gatewaytest.Start(t, func(s *gatewaytest.Setup) { s.DataDir = one })
	old := alone.Publish(t, `{"event":"hello","data":{"n":1}}`)
	if _, err := gateway.InitCluster(ctx, cfg, b, gateway.InitOptions{Version: "test"}); !errors.Is(err, gateway.ErrLocked) {
		t.Fatalf("while the gateway runs: %v", err)
	}
	alone.Stop(t)
	if _, err := gateway.InitCluster(ctx, cfg, b, gateway.InitOptions{Version: "test"}); err != nil {
		t.Fatal(err)
	}

	first := node(t, url, one, "one", nil)
	second := node(t, url, two, "two", nil)
	want := []string{old, first.Publish(t, `{"event":"hello","data":{"n":2}}`), second.Publish(t, `{"event":"hello","data":{"n":3}}`)}
	for _, g := range []*gatewaytest.Gateway{first, second} {
		until(t, "all events at both", func() bool { return slices.Equal(ids(t, g), want) })
	}
	second.Stop(t)

	// The second one is away while two snapshots are made and the journal is purged.
	for range 2 {
		for range 3 {
			want = append(want, first.Publish(t, `{"event":"hello","data":{"n":4}}`))
		}
		if made, err := gateway.AskSnapshot(ctx, b, func(string) {}); err != nil || made.Node != "one" || made.Place < 4 || made.Size == 0 {
			t.Fatalf("asking for a snapshot: %+v, %v", made, err)
		}
	}
	until(t, "a shorter journal", func() bool { // what a gateway had not applied at its last beat stays
		_, err := gateway.AskSnapshot(ctx, b, func(string) {})
		state, lerr := journal.Look(ctx, b)
		return err == nil && lerr == nil && state.First > 5
	})
	var logs bytes.Buffer
	second = node(t, url, two, "two", &logs)
	until(t, "all events again", func() bool { return slices.Equal(ids(t, second), want) })
	if kept, _ := filepath.Glob(filepath.Join(two, "log.old-*")); len(kept) != 1 {
		t.Errorf("the old log is not kept: %v", kept)
	}
	second.Stop(t)
	if !strings.Contains(logs.String(), "loading a snapshot of the cluster") {
		t.Error("loading is not logged")
	}
	first.Stop(t)
	if _, err := os.Stat(filepath.Join(one, "log.snapshot")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy for the snapshot is left: %v", err)
	}
	refusals(t, url, one)
}

// refusals starts gateways on a folder that do not start.
func refusals(t *testing.T, url, dir string) {
	t.Helper()
	for name, c := range map[string]struct {
		change func(*gatewaytest.Setup)
		says   string
	}{
		"alone":           {func(s *gatewaytest.Setup) { s.DataDir = dir }, "sluice cluster leave"},
		"another cluster": {func(s *gatewaytest.Setup) { inCluster(url, dir, "one")(s); s.ClusterName = "other" }, "the cluster has no journal"},
		"another secret":  {func(s *gatewaytest.Setup) { inCluster(url, dir, "one")(s); s.ClusterSecret = strings.Repeat("x", 32) }, "another CLUSTER_SECRET"},
	} {
		refused(t, name, c.says, c.change)
	}
	// A log that had applied the same place earlier than the journal says has applied something else.
	engine, err := pebble.Open(pebble.Options{Dir: filepath.Join(dir, "log")})
	if err != nil {
		t.Fatal(err)
	}
	a := engine.Applied()
	a.At -= 1e9
	if err := errors.Join(engine.Commit(&eventlog.Group{Rows: []eventlog.Row{{Key: "key/a", Value: []byte("{}")}}, Applied: a}), engine.Close()); err != nil {
		t.Fatal(err)
	}
	refused(t, "another message", "another message at place", inCluster(url, dir, "one"))
}

func refused(t *testing.T, name, says string, change func(*gatewaytest.Setup)) {
	t.Helper()
	cfg, err := config.Load([]string{"ADDR=127.0.0.1:0", "API_KEYS=" + gatewaytest.Keys}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := gatewaytest.Setup{Config: *cfg}
	change(&s)
	g, err := gateway.New(&s.Config, s.Options)
	if err == nil {
		g.Close()
	}
	if !errors.As(err, new(*gateway.SettingsError)) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v", name, err)
	}
}

// A cluster begins with a run, as a gateway alone does: an id from before it gets a gap, and is not taken for one of its own.
func TestClusterBeginsARun(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	b, err := bus.Connect(bus.Options{URL: url, Cluster: "test", Node: "test", Secret: clusterSecret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := t.TempDir()
	made, err := gateway.InitCluster(ctx, &config.Config{DataDir: dir}, b, gateway.InitOptions{Version: "test", Bytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if made.Last == 0 {
		t.Error("the log of a new cluster has no first position")
	}
	for name, g := range map[string]*gatewaytest.Gateway{"with the log of init": node(t, url, dir, "one", nil), "with its snapshot": node(t, url, t.TempDir(), "two", nil)} {
		s := g.Stream(t, gatewaytest.KeyAll, "", "Last-Event-ID", "12")
		if e := s.Event(t); e.Name != "gap" || !strings.Contains(e.Data, `"unknown"`) {
			t.Errorf("%s: the first frame is %+v, want a gap", name, e)
		}
		id := g.Publish(t, `{"event":"hello"}`)
		if e := s.Event(t); e.ID != id {
			t.Errorf("%s: got %+v, want the event %s", name, e, id)
		}
	}
}
