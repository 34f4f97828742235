package gatewaytest

import (
	"flag"
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

// Main runs a package's tests, and fails if a goroutine is left. Models try the given number of checks, or rapid's own
// number for 0: each check may open several gateways. The command line overrides checks; make models tries more.
func Main(m *testing.M, checks int) {
	if checks > 0 {
		if err := flag.Set("rapid.checks", fmt.Sprint(checks)); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
