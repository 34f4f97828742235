package gatewaytest

import (
	"flag"
	"fmt"
	"testing"

	"go.uber.org/goleak"
)

// Main runs a package's tests and wants no goroutine left. Models try as many cases as checks says, 0 for rapid's own
// number: each may open several gateways. The command line wins; make models tries more.
func Main(m *testing.M, checks int) {
	if checks > 0 {
		if err := flag.Set("rapid.checks", fmt.Sprint(checks)); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
