package handlers_test

import (
	"flag"
	"testing"
	"time"

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

// Keys of the tests, by what they may do.
const (
	keyAll     = gatewaytest.KeyAll
	keyNone    = gatewaytest.KeyNone
	keyPut     = gatewaytest.KeyPut
	keyOrigin  = gatewaytest.KeyOrigin
	keyRate    = gatewaytest.KeyRate
	keyPublish = gatewaytest.KeyPublish
	keyExpired = gatewaytest.KeyExpired
	adminKey   = gatewaytest.AdminKey
)

// patience is how long tests wait for what has to come: so long that a busy machine never ends it, and less than the
// minute between pings, so that none of those brings what should come by itself.
const patience = 30 * time.Second

var testKeys = gatewaytest.Keys

type (
	setup    = gatewaytest.Setup
	scenario = gatewaytest.Scenario
)

// gateway is a whole one, and what tests ask of it.
type gateway struct{ *gatewaytest.Gateway }

func newGateway(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	return &gateway{gatewaytest.Start(t, change...)}
}

func runAll(t *testing.T, g *gateway, scenarios []scenario) {
	t.Helper()
	gatewaytest.RunAll(t, g.Gateway, scenarios)
}
