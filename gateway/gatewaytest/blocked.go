package gatewaytest

import (
	"fmt"
	"testing"
	"time"
)

// Written is how many bytes were written to streams so far.
func (g *Gateway) Written() int64 { return int64(g.Traffic.Counts().Bytes) }

// Blocked waits for a client that reads nothing to have what the kernel holds for it: since a number of Written, so much is
// written or waits in memory, and no more follows.
func (g *Gateway) Blocked(t *testing.T, since, least int64) {
	t.Helper()
	sent := func() int64 { return g.Written() - since + g.Memory.Held() }
	Until(t, func() error {
		if n := sent(); n < least {
			return fmt.Errorf("%d bytes are sent, not %d", n, least)
		}
		return nil
	})
	for before := int64(-1); before != sent(); time.Sleep(50 * time.Millisecond) {
		before = sent()
	}
}
