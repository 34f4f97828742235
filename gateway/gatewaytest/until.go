package gatewaytest

import (
	"testing"
	"time"
)

// Patience is how long tests wait for what has to come: so long that a busy machine never ends it, and less than the minute
// between pings, so that none of those brings what should come by itself.
const Patience = 30 * time.Second

// Until waits for something that takes a moment to be so.
func Until(t *testing.T, f func() error) {
	t.Helper()
	err := f()
	for deadline := time.Now().Add(20 * time.Second); err != nil; err = f() {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
