//go:build unix

package clustertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
)

// Stream is the JetStream stream of the journal, for the default of CLUSTER_NAME.
const Stream = "SLUICE_sluice"

// Cluster is a number of gateways, as many NATS servers, and a balancer.
type Cluster struct {
	Servers Servers
	Nodes   []*Node

	balancer string
	machines []machine
}

// Start starts n servers and n gateways, makes the journal, and waits until all are ready. Settings are as in "NAME=value".
func Start(t testing.TB, n int, settings ...string) *Cluster {
	t.Helper()
	return start(t, takePorts(t), here(n), settings)
}

func start(t testing.TB, free *ports, on []machine, settings []string, edits ...func(conf string) string) *Cluster {
	t.Helper()
	c := &Cluster{Servers: startServers(t, free, on, edits), machines: on}
	for i, m := range on {
		c.Nodes = append(c.Nodes, c.newNode(t, free, m, fmt.Sprintf("gateway-%d", i), settings))
	}
	if _, err := c.Nodes[0].Command("cluster", "init"); err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes {
		node.start(t)
	}
	for _, node := range c.Nodes {
		node.AwaitReady(t)
	}
	c.balancer = startBalancer(t, c.Nodes)
	return c
}

// newNode prepares a gateway.
func (c *Cluster) newNode(t testing.TB, free *ports, on machine, name string, more []string) *Node {
	t.Helper()
	dir := t.TempDir()
	node := &Node{address: address(on.outer, free.take(t)), dir: filepath.Join(dir, "data")}
	environment := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, settings(name, node.address, node.dir, c.Servers.URL(), more)...)
	node.binary = need(t, buildGateway)
	node.run = func(args ...string) *exec.Cmd {
		cmd := on.run(node.binary, args...)
		cmd.Dir, cmd.Env = dir, environment
		return cmd
	}
	node.process = newProcess(t, name, func() *exec.Cmd { return node.run("serve") })
	return node
}

// Server returns the server i.
func (c *Cluster) Server(i int) *Server { return c.Servers[i] }

// Node returns the gateway i.
func (c *Cluster) Node(i int) *Node { return c.Nodes[i] }

// URL is the address of a balancer that sends each request to another gateway.
func (c *Cluster) URL() string { return c.balancer }

// Leader waits until a server leads the journal, and returns its index.
func (c *Cluster) Leader(t testing.TB) int {
	t.Helper()
	return c.Servers.Leader(t, Stream)
}

// Journal connects to the servers, for tests that damage the journal.
func (c *Cluster) Journal(t testing.TB) *nats.Conn {
	t.Helper()
	return c.Servers.Connect(t)
}
