package persistr_test

import (
	"context"
	"testing"

	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/handlers/persistr"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/streams"
)

// TestDemoOfTwoGateways: two gateways of one log that start at once have one account for a first try.
func TestDemoOfTwoGateways(t *testing.T) {
	t.Parallel()
	for range 10 {
		log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := streams.Open(log, streams.Limits{Databases: 10})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 2)
		for range cap(done) {
			accounts, err := account.Open(log, passwords.Cheap())
			if err != nil {
				t.Fatal(err)
			}
			go func() { done <- persistr.MakeDemo(context.Background(), accounts, catalog) }()
		}
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}
