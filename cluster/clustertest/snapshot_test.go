//go:build unix

package clustertest_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/cluster/clustertest"
)

// A snapshot is made right after the gateway that makes snapshots and the leader of the journal were killed. The status shows
// both until they are back.
func TestClusterSnapshotInTrouble(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, 3)
	send(t, c.URL(), "before")
	well := func() {
		t.Helper()
		clustertest.Until(t, func() error {
			_, err := c.Node(2).Command("cluster", "status", "--gateways", "3")
			return err
		})
	}
	well()
	leader := c.Leader(t)
	c.Node(0).Kill(t)
	c.Server(leader).Kill(t)
	for range 2 {
		out, err := c.Node(2).Command("cluster", "snapshot")
		if err != nil || !strings.Contains(out, "place ") {
			t.Fatalf("a snapshot during an election: %s: %v", out, err)
		}
		t.Log(out)
	}
	clustertest.Until(t, func() error {
		out, err := c.Node(2).Command("cluster", "status")
		if err == nil {
			t.Fatalf("without a gateway and a server, all is well:\n%s", out)
		}
		for _, part := range []string{"silent", "current: no"} {
			if !strings.Contains(out, part) {
				return fmt.Errorf("the status does not say %q:\n%s", part, out)
			}
		}
		return nil
	})
	c.Node(0).Restart(t)
	c.Server(leader).Restart(t)
	well()
}
