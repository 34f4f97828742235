package directus_test

import (
	"fmt"
	"testing"

	"sluice/gateway/gatewaytest"
)

// TestSmallSubscriptionsAreCharged: those that have no filter, and all ask for the same, take memory too.
func TestSmallSubscriptionsAreCharged(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	s := g.Socket(t, gatewaytest.KeyItems)
	before := g.Memory.Held()
	for i := range 50 {
		s.Send(fmt.Sprintf(`{"type":"subscribe","collection":"m","event":"create","uid":"%d"}`, i))
		s.Expect(fmt.Sprintf(`{"type":"subscription","event":"init","uid":"%d"}`, i))
	}
	if held := g.Memory.Held() - before; held < 50<<10 {
		t.Errorf("50 subscriptions are charged as %d bytes", held)
	}
	s.Send(`{"type":"unsubscribe"}`)
	s.Expect(`{"type":"subscription","event":"unsubscribe"}`)
	if held := g.Memory.Held(); held != before {
		t.Errorf("%d bytes are held, %d before", held, before)
	}
}
