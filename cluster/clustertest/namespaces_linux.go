package clustertest

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// StartInNamespaces is Start with a network namespace for each gateway and its server, so that Cut can separate them as machines
// are separated: without a word, not even a refusal. It takes root and the command ip.
//
// There are two networks. Gateways and servers talk to each other in the inner one, which Cut cuts. Clients and the test reach
// the gateways in the outer one.
func StartInNamespaces(t testing.TB, n int, settings ...string) *Cluster {
	t.Helper()
	free := takePorts(t)
	inner := newBridge(t, "i", free.block, 64)
	outer := newBridge(t, "o", free.block, 128)
	on := make([]machine, n)
	for i := range on {
		on[i] = machine{namespace: fmt.Sprintf("sluice-%d-%d", free.block, i)}
		_ = exec.Command("ip", "netns", "del", on[i].namespace).Run() // of a test that was killed
		ip(t, "netns add %s", on[i].namespace)
		t.Cleanup(func() { ip(t, "netns del %s", on[i].namespace) })
		ip(t, "-n %s link set lo up", on[i].namespace)
		on[i].inner = inner.join(t, on[i].namespace, i)
		on[i].outer = outer.join(t, on[i].namespace, i)
	}
	return start(t, free, on, settings)
}

// ip runs the command ip.
func ip(t testing.TB, format string, args ...any) {
	t.Helper()
	command := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s; network namespaces take root", command, err, out)
	}
}

// bridge is a network between this machine and its namespaces.
type bridge struct{ name, prefix string }

// newBridge makes a network. Its address has the block of the cluster's ports, so no two clusters have the same.
func newBridge(t testing.TB, kind string, block, from int) bridge {
	t.Helper()
	b := bridge{fmt.Sprintf("slu%s%d", kind, block), fmt.Sprintf("10.%d.%d.", from+block/256, block%256)}
	_ = exec.Command("ip", "link", "del", b.name).Run() // of a test that was killed
	ip(t, "link add %s type bridge", b.name)
	t.Cleanup(func() { ip(t, "link del %s", b.name) })
	ip(t, "addr add %s1/24 dev %s", b.prefix, b.name)
	ip(t, "link set %s up", b.name)
	return b
}

// join connects a namespace to the network, and returns its address there.
func (b bridge) join(t testing.TB, namespace string, i int) string {
	t.Helper()
	here, there, address := b.link(i), "eth-"+b.name, fmt.Sprintf("%s%d", b.prefix, i+2)
	_ = exec.Command("ip", "link", "del", here).Run() // of a test that was killed
	ip(t, "link add %s type veth peer name %s netns %s", here, there, namespace)
	t.Cleanup(func() { ip(t, "link del %s", here) }) // the kernel would remove it some time after the namespace
	ip(t, "link set %s master %s up", here, b.name)
	ip(t, "-n %s addr add %s/24 dev %s", namespace, address, there)
	ip(t, "-n %s link set %s up", namespace, there)
	return address
}

// link is the name of this machine's end of a namespace's link.
func (b bridge) link(i int) string { return fmt.Sprintf("%s-%d", b.name, i) }

// Cut cuts gateway and server i off from the other ones. They still reach each other, and clients reach the gateway. It is for
// clusters of StartInNamespaces.
func (c *Cluster) Cut(t testing.TB, i int) {
	t.Helper()
	// Only this end goes down. So the addresses in the namespace stay valid, as on a machine whose switch has failed.
	ip(t, "link set %s down", c.innerLink(t, i))
}

// Heal ends what Cut began.
func (c *Cluster) Heal(t testing.TB, i int) {
	t.Helper()
	ip(t, "link set %s up", c.innerLink(t, i))
}

func (c *Cluster) innerLink(t testing.TB, i int) string {
	t.Helper()
	var block, at int
	if _, err := fmt.Sscanf(c.machines[i].namespace, "sluice-%d-%d", &block, &at); err != nil {
		t.Fatal("only a cluster of StartInNamespaces can be cut")
	}
	return bridge{name: fmt.Sprintf("slui%d", block)}.link(i)
}
