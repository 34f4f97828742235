//go:build unix

package clustertest

import (
	"fmt"
	"net"
	"os"
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
type ports struct{ next, end int }

// takePorts takes a block until the test ends.
func takePorts(t testing.TB) *ports {
	t.Helper()
	const blocks = (portsTo - portsFrom) / portsBlock
	for i := range blocks {
		first := portsFrom + (os.Getpid()+i)%blocks*portsBlock // processes begin at different blocks, which is only faster
		owner, err := net.Listen("tcp", address(first))
		if err != nil {
			continue
		}
		if allFree(first+1, first+portsBlock) {
			t.Cleanup(func() { owner.Close() })
			return &ports{first + 1, first + portsBlock}
		}
		owner.Close()
	}
	t.Fatalf("no %d ports beside each other are free between %d and %d", portsBlock, portsFrom, portsTo)
	return nil
}

func allFree(from, to int) bool {
	for port := from; port < to; port++ {
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// take returns the address of the next free port.
func (p *ports) take(t testing.TB) string {
	t.Helper()
	if p.next == p.end {
		t.Fatalf("a cluster has only %d ports", portsBlock)
	}
	p.next++
	return address(p.next - 1)
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
