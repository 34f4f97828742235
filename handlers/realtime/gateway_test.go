package realtime_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"sluice/gateway/gatewaytest"
)

func TestMain(m *testing.M) {
	// Each case opens several gateways; make models tries more.
	if err := flag.Set("rapid.checks", "40"); err != nil { // what the command line says comes after it
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// Keys of the tests.
const (
	keyAll     = gatewaytest.KeyAll
	keyExpired = gatewaytest.KeyExpired
	keyNone    = gatewaytest.KeyNone
	keyOrigin  = gatewaytest.KeyOrigin
	keyPublish = gatewaytest.KeyPublish
	keyPut     = gatewaytest.KeyPut
	keyRate    = gatewaytest.KeyRate
)

type (
	setup    = gatewaytest.Setup
	scenario = gatewaytest.Scenario
)

// gateway is a whole one, and what tests of this door ask of it.
type gateway struct{ *gatewaytest.Gateway }

func newGateway(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	return &gateway{gatewaytest.Start(t, change...)}
}

func runAll(t *testing.T, g *gateway, scenarios []scenario) {
	t.Helper()
	gatewaytest.RunAll(t, g.Gateway, scenarios)
}

// withDemo is a gateway with the account and the database demo.
func withDemo(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	return newGateway(t, append([]func(*setup){gatewaytest.WithDemo}, change...)...)
}
