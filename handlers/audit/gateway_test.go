package audit_test

import (
	"testing"

	"sluice/gateway/gatewaytest"
)

func TestMain(m *testing.M) { gatewaytest.Main(m, 0) }

type (
	setup    = gatewaytest.Setup
	scenario = gatewaytest.Scenario
)

type gateway = gatewaytest.Gateway

var newGateway = gatewaytest.Start
