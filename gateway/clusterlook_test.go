//go:build unix

package gateway

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"sluice/cluster/clustertest"
)

// A replica that answers while there is no leader may lack the journal's end. A log that has applied more is not refused for it.
func TestLookWaitsForTheLeader(t *testing.T) {
	t.Parallel()
	url := clustertest.StartServers(t, 1, func(conf string) string { // without JetStream: the test answers in its place
		before, rest, _ := strings.Cut(conf, "\njetstream {\n")
		_, after, _ := strings.Cut(rest, "\n}\n")
		return strings.Replace(before+"\n"+after, "jetstream: enabled", "", 1)
	}).URL()
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
