//go:build unix

package clustertest

import (
	"fmt"
	"strings"
	"testing"
)

// links are the ways between the processes of a cluster: from each gateway to each server, and from each server to each other
// one. Tests reach all processes directly.
type links struct{ gateways, servers [][]*link }

// newLinks opens the links of n gateways and the servers.
func newLinks(t testing.TB, n int, addresses, routes []string) *links {
	t.Helper()
	l := &links{}
	for range n {
		l.gateways = append(l.gateways, linksTo(t, addresses))
	}
	for range routes {
		l.servers = append(l.servers, linksTo(t, routes))
	}
	return l
}

func linksTo(t testing.TB, addresses []string) (all []*link) {
	t.Helper()
	for _, to := range addresses {
		all = append(all, newLink(t, to))
	}
	return all
}

// addresses are where the links are.
func addresses(row []*link) (all []string) {
	for _, l := range row {
		all = append(all, l.address)
	}
	return all
}

// StartLinked is Start with links that tests can cut.
func StartLinked(t testing.TB, n int, settings ...string) *Cluster {
	t.Helper()
	return start(t, n, true, settings)
}

// Isolate cuts gateway i and server i off from the others. They reach each other.
func (c *Cluster) Isolate(i int) {
	for j, l := range c.links.gateways[i] {
		if j != i {
			l.cut()
			c.links.gateways[j][i].cut()
			c.links.servers[i][j].cut()
			c.links.servers[j][i].cut()
		}
	}
}

// CutOff cuts gateway i off from all servers.
func (c *Cluster) CutOff(i int) {
	for _, l := range c.links.gateways[i] {
		l.cut()
	}
}

// Mend mends all links.
func (c *Cluster) Mend() {
	for _, rows := range [][][]*link{c.links.gateways, c.links.servers} {
		for _, row := range rows {
			for _, l := range row {
				l.mend()
			}
		}
	}
}

// linkedConfiguration is a configuration of servers whose routes are links. A server tells the others how to connect to a new
// one. The way past the links that it tells is closed, so that a cut is one.
func linkedConfiguration(t testing.TB, deployed string) string {
	t.Helper()
	const at = "\ncluster {\n"
	text := strings.Replace(deployed, at, at+`  advertise: "127.0.0.1:1"`+"\n", 1)
	if text == deployed {
		t.Fatal("the configuration of deploy/cluster has no part cluster")
	}
	return text
}

// serverURL is the address of a server, with the password.
func serverURL(address string) string { return fmt.Sprintf("nats://%s:%s@%s", user, password, address) }
