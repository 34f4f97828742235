package clustertest_test

import (
	"errors"
	"strings"
	"testing"

	"sluice/cluster/clustertest"
)

// The journal's leader is cut off together with its gateway: the others go on. That gateway says that it is not ready, since its
// clients miss what is published; the leader's answers do not deceive it. Afterwards all have the same.
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
	clustertest.Until(t, func() error {
		if c.Node(lost).Ready() == nil {
			return errors.New("the gateway that is cut off is still ready")
		}
		return nil
	})
	for range 10 {
		send(t, c.Node(other).URL(), "more") // so that the old leader's end is older, when it is back
	}
	c.Heal(t, lost)
	c.Node(lost).AwaitReady(t)
	for _, n := range c.Nodes {
		if got := received(t, n.URL(), 2); !strings.Contains(got[1], "meanwhile") {
			t.Errorf("%s has %q", n.URL(), got)
		}
	}
	send(t, c.Node(lost).URL(), "after")
}
