//go:build unix

package clustertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// Ports of tests lie below those that the system gives to connections, so that a process which starts again finds its
// port free. A cluster takes a block. Whoever listens on the first port of a block owns all of them.
const (
	portsFrom  = 20_000
	portsTo    = 32_000
	portsBlock = 40
)

// ports are the ports of one cluster.
type ports struct{ block, next, end int }

// takePorts takes a block until the test ends.
func takePorts(t testing.TB) *ports {
	t.Helper()
	const blocks = (portsTo - portsFrom) / portsBlock
	for i := range blocks {
		block := (os.Getpid() + i) % blocks // processes begin at different blocks, which is only faster
		first := portsFrom + block*portsBlock
		owner, err := net.Listen("tcp", address(loopback, first))
		if err != nil {
			continue
		}
		if allFree(first+1, first+portsBlock) {
			t.Cleanup(func() { owner.Close() })
			return &ports{block, first + 1, first + portsBlock}
		}
		owner.Close()
	}
	t.Fatalf("no %d ports beside each other are free between %d and %d", portsBlock, portsFrom, portsTo)
	return nil
}

func allFree(from, to int) bool {
	for port := from; port < to; port++ {
		l, err := net.Listen("tcp", address(loopback, port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// take returns the next free port.
func (p *ports) take(t testing.TB) int {
	t.Helper()
	if p.next == p.end {
		t.Fatalf("a cluster has only %d ports", portsBlock)
	}
	p.next++
	return p.next - 1
}

const loopback = "127.0.0.1"

func address(host string, port int) string { return fmt.Sprintf("%s:%d", host, port) }

// machine is where a server and a gateway run: this machine, or a network namespace of it.
type machine struct {
	namespace    string // "" is this machine
	inner, outer string // addresses in the network between machines, and in that of the clients
}

// here returns n times this machine.
func here(n int) []machine {
	return slices.Repeat([]machine{{inner: loopback, outer: loopback}}, n)
}

// run returns a command on the machine.
func (m machine) run(name string, args ...string) *exec.Cmd {
	if m.namespace == "" {
		return exec.Command(name, args...)
	}
	return exec.Command("ip", append([]string{"netns", "exec", m.namespace, name}, args...)...) // it becomes the program
}
