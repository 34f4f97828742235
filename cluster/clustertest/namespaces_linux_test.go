package clustertest_test

import (
	"strings"
	"testing"

	"sluice/cluster/clustertest"
)

// The journal's leader is cut off together with its gateway: the others go on, and clients still reach that gateway. Afterwards
// all have the same.
func TestCut(t *testing.T) {
	t.Parallel()
	c := clustertest.StartInNamespaces(t, 3)
	send(t, c.URL(), "before")
	lost := c.Leader(t)
	other := (lost + 1) % 3
	c.Cut(t, lost)
	send(t, c.Node(other).URL(), "meanwhile") // which takes a new leader
	if now := c.Leader(t); now == lost {
		t.Errorf("the leader is still server %d", lost)
	}
	if got := received(t, c.Node(lost).URL(), 1); !strings.Contains(got[0], "before") {
		t.Errorf("the gateway that is cut off has %q", got)
	}
	c.Heal(t, lost)
	for _, n := range c.Nodes {
		if got := received(t, n.URL(), 2); !strings.Contains(got[1], "meanwhile") {
			t.Errorf("%s has %q", n.URL(), got)
		}
	}
	send(t, c.Node(lost).URL(), "after")
}
