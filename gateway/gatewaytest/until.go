package gatewaytest

import (
	"testing"
	"time"
)

// Patience bounds the time that tests wait for something that must come. It is long enough for a busy machine. It is
// less than the minute between pings, so that a ping cannot cause what should come by itself.
const Patience = 30 * time.Second

// Until waits until f returns no error.
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
