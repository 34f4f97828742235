package handlers_test

import (
	"testing"

	"sluice/gateway/gatewaytest"
)

func TestMain(m *testing.M) { gatewaytest.Main(m, 40) }

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

var documentKeys = gatewaytest.DocumentKeys
