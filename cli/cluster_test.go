//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/gateway"
)

// clusterSettings are the settings of a gateway of a cluster.
func clusterSettings(url, dir string) []string {
	return []string{keysSetting, "CLUSTER_URL=" + url, "CLUSTER_SECRET=" + strings.Repeat("s", 32), "CLUSTER_NODE=" + filepath.Base(dir), "DATA_DIR=" + dir}
}

// expect runs a command and compares its exit code and what it prints.
func expect(t *testing.T, env []string, code int, prints string, args ...string) {
	t.Helper()
	out, errOut, got := run(t, "", env, args...)
	if got != code || !strings.Contains(out+errOut, prints) {
		t.Fatalf("%v: exit code %d, not %d; or it does not say %q:\n%s%s", args, got, code, prints, out, errOut)
	}
}

// A cluster is made, seen, and left by commands alone.
func TestClusterCommands(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	env := clusterSettings(url, one)
	for _, command := range []string{"init", "status", "snapshot"} {
		expect(t, nil, 2, "CLUSTER_URL is not set", "cluster", command)
	}
	expect(t, env, 1, "run `sluice cluster init`", "cluster", "status")
	expect(t, env, 0, "start the others with the same CLUSTER_* settings", "cluster", "init")
	expect(t, env, 2, "start its gateways", "cluster", "init")
	expect(t, env, 1, "no gateway is running", "cluster", "status")
	expect(t, env, 1, "no gateway of the cluster answers", "cluster", "snapshot")

	a, b := start(t, t.TempDir(), env...), start(t, t.TempDir(), clusterSettings(url, two)...)
	status, body, err := a.post(`{"event":"hello","data":1}`)
	if err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	expect(t, env, 2, "sluice: opening the log", "cluster", "init") // it is in use
	expect(t, env, 0, "place ", "cluster", "snapshot")
	expect(t, env, 0, "JOURNAL", "cluster", "status", "--gateways", "2")
	a.stop(t, os.Interrupt)
	b.stop(t, os.Interrupt)
	expect(t, []string{keysSetting, "DATA_DIR=" + two, "ADDR=127.0.0.1:0"}, 2, "sluice cluster leave "+two, "serve")
	expect(t, nil, 0, "has left the cluster sluice", "cluster", "leave", two)
	expect(t, nil, 1, "belongs to no cluster", "cluster", "leave", two)
	expect(t, nil, 2, "no log", "cluster", "leave", t.TempDir())
	expect(t, clusterSettings(url, two), 2, "belongs to no cluster", "serve")
	alone := start(t, t.TempDir(), keysSetting, "DATA_DIR="+two)
	alone.stop(t, os.Interrupt)
}

// The status judges by the gateways' beats, and by the journal and the snapshots.
func TestClusterStatus(t *testing.T) {
	t.Parallel()
	url := clustertest.NATS(t)
	env := clusterSettings(url, filepath.Join(t.TempDir(), "one"))
	expect(t, env, 0, "is ready", "cluster", "init")
	nc, err := bus.Connect(bus.Options{URL: url, Cluster: "sluice", Node: "x", Secret: strings.Repeat("s", 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var known atomic.Value // the gateways that a knows
	if err := nc.Serve("peers.list", func(_ []byte, answer func([]byte)) {
		body, _ := json.Marshal(known.Load())
		answer(body)
		answer([]byte("of a newer version"))
	}); err != nil {
		t.Fatal(err)
	}
	ready := map[string]bool{"b": true, "a": true}
	all := []gateway.KnownGateway{{Node: "a"}, {Node: "b"}}
	for _, c := range []struct {
		ready map[string]bool
		known []gateway.KnownGateway
		clock time.Duration
		code  int
		says  string
	}{
		{ready, all, 0, 0, "a        v1       yes    1      0       7"},
		{ready, nil, 0, 0, "place 1"},
		{ready, append(all, gateway.KnownGateway{Node: "c", Version: "v0", Place: 9, Seen: 12 * time.Second}), 0, 1, "c        v0       silent  9"},
		{ready, append(all, gateway.KnownGateway{Node: "c", Seen: 12 * time.Second}), 0, 1, "the gateway c has been silent for 12s"},
		{map[string]bool{"a": true, "b": false}, all, 0, 1, "the gateway b is not ready"},
		{ready, all, -40 * time.Second, 1, "the clock of the gateway a"},
		{map[string]bool{"a": true}, nil, 0, 1, "1 of 2 gateways are running"},
	} {
		known.Store(c.known)
		stop := make(chan struct{})
		stopped := make(chan struct{})
		go func() { // until stop is closed
			defer close(stopped)
			for tick := time.NewTicker(300 * time.Millisecond); ; {
				for name, ready := range c.ready {
					body, _ := json.Marshal(map[string]any{"node": name, "version": "v1", "ready": ready, "place": 1, "connections": 7, "sent": time.Now().Add(c.clock)})
					_ = nc.Publish("peers.beat", body)
				}
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		}()
		expect(t, env, c.code, c.says, "cluster", "status", "--gateways", fmt.Sprint(2))
		close(stop)
		<-stopped
	}
}
