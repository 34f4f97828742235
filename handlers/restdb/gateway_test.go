package restdb_test

import (
	"testing"

	"go.uber.org/goleak"

	"sluice/gateway/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Keys of the tests.
const (
	keyDeletes  = gatewaytest.KeyDeletes
	keyDocs     = gatewaytest.KeyDocs
	keyDocsRate = gatewaytest.KeyDocsRate
	keyHome     = gatewaytest.KeyHome
	keyInserts  = gatewaytest.KeyInserts
	keyNone     = gatewaytest.KeyNone
	keyPuts     = gatewaytest.KeyPuts
	keyReads    = gatewaytest.KeyReads
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

var documentKeys = gatewaytest.DocumentKeys

const made = gatewaytest.Made

// withDocuments is a gateway whose keys may use documents, all of which are made at the same time.
func withDocuments(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	return newGateway(t, append([]func(*setup){gatewaytest.WithDocuments}, change...)...)
}
