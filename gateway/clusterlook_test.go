//go:build unix

package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"sluice/cluster/clustertest"
	"sluice/config"
)

// withoutJetStream starts a server in whose place the test answers for JetStream.
func withoutJetStream(t *testing.T) (url string) {
	return clustertest.StartServers(t, 1, func(conf string) string {
		before, rest, _ := strings.Cut(conf, "\njetstream {\n")
		_, after, _ := strings.Cut(rest, "\n}\n")
		return strings.Replace(before+"\n"+after, "jetstream: enabled", "", 1)
	}).URL()
}

// A start that waits for the journal's leader ends when the process is to end.
func TestStartIsStopped(t *testing.T) {
	t.Parallel()
	url := withoutJetStream(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	b, asked := testBus(t, url, "stopped"), atomic.Int64{}
	if _, err := b.Conn().Subscribe("$JS.API.STREAM.INFO.SLUICE_stopped", func(*nats.Msg) { asked.Add(1); stop() }); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load([]string{"DATA_DIR=" + t.TempDir(), "ADDR=127.0.0.1:0", "ADMIN_KEY=" + strings.Repeat("a", 16), "CLUSTER_URL=" + url, "CLUSTER_NAME=stopped", "CLUSTER_NODE=one", "CLUSTER_SECRET=" + strings.Repeat("s", 32)}, "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(cfg, Options{Stop: ctx})
	if err == nil {
		g.Close()
	}
	if err == nil || asked.Load() > 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

// A replica that answers while there is no leader may lack the journal's end. A log that has applied more is not refused for it.
func TestLookWaitsForTheLeader(t *testing.T) {
	t.Parallel()
	url := withoutJetStream(t)
	b, asked := testBus(t, url, "led"), 0
	seal := hex.EncodeToString(b.Seal("sluice-birth", []byte("b")))
	if _, err := b.Conn().Subscribe("$JS.API.STREAM.INFO.SLUICE_led", func(m *nats.Msg) {
		leader, last := "", 3
		if asked++; asked > 2 {
			leader, last = "one", 9
		}
		if err := m.Respond(fmt.Appendf(nil, `{"config":{"num_replicas":3,"metadata":{"sluice-birth":"b","sluice-seal":%q}},"state":{"last_seq":%d},
			"cluster":{"leader":%q,"replicas":[{"name":"two","active":1000},{"name":"three","active":1000}]}}`, seal, last, leader)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if state, err := look(testContext(t), b); err != nil || state.Last != 9 || !state.Led {
		t.Errorf("%+v: %v", state, err)
	}
}
