package handlers_test

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
	adminKey   = gatewaytest.AdminKey
	keyAll     = gatewaytest.KeyAll
	keyDocs    = gatewaytest.KeyDocs
	keyExpired = gatewaytest.KeyExpired
	keyItems   = gatewaytest.KeyItems
	keyNone    = gatewaytest.KeyNone
	keyPublish = gatewaytest.KeyPublish
	keyPut     = gatewaytest.KeyPut
	keyReader  = gatewaytest.KeyReader
	keyWriter  = gatewaytest.KeyWriter
)

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

var documentKeys = gatewaytest.DocumentKeys

// withDocuments is a gateway whose keys may use documents, all of which are made at the same time.
func withDocuments(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	return newGateway(t, append([]func(*setup){gatewaytest.WithDocuments}, change...)...)
}

// withDemo is a gateway with the account and the database demo.
func withDemo(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	return newGateway(t, append([]func(*setup){gatewaytest.WithDemo}, change...)...)
}
