//go:build linux

package clustertest_test

import (
	"testing"

	"sluice/cluster/clustertest"
)

// A short round of make chaos: a gateway is killed, the leader of the journal is killed, and a gateway with its server is cut
// off, while clients publish and read all the time.
func TestChaosShort(t *testing.T) {
	x := startChaos(t, clustertest.StartInNamespaces(t, 3))
	for i, name := range []string{"gateway killed", "leader killed", "partition"} {
		for _, n := range nemeses {
			if n.name == name {
				x.run(n, i)
			}
		}
	}
	x.verdict()
}
