package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"sluice/broker/eventlog"
	"sluice/broker/eventlog/logtest"
	"sluice/broker/eventlog/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type opener struct{}

func (opener) Open(_ logtest.TB, c logtest.Config) eventlog.Engine {
	return memory.Open(memory.Options{Retain: c.Retain, Now: c.Now})
}

func (opener) Keeps() bool { return false }

func (opener) Drop(logtest.TB, eventlog.Engine) {}

func (opener) Fresh() logtest.Opener { return opener{} }

func TestConformance(t *testing.T) {
	logtest.Run(t, func(*testing.T) logtest.Opener { return opener{} })
}
