package admin_test

import (
	"testing"

	"go.uber.org/goleak"

	"sluice/gateway/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Keys of the tests.
const (
	adminKey = gatewaytest.AdminKey
	keyAll   = gatewaytest.KeyAll
	keyPut   = gatewaytest.KeyPut
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
