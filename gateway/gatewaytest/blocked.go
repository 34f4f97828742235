package gatewaytest

import (
	"fmt"
	"testing"
	"time"
)

// Written returns the number of bytes written to streams so far.
func (g *Gateway) Written() int64 { return int64(g.Traffic.Counts().Bytes) }

// AwaitBlocked waits until the kernel takes no more bytes for a client that reads nothing. since is an earlier result of
// Written. The bytes written after it, together with those that wait in memory, must reach least and then stay the
// same.
func (g *Gateway) AwaitBlocked(t *testing.T, since, least int64) {
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
