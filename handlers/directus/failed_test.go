package directus_test

import (
	"testing"

	"github.com/coder/websocket"

	"sluice/broker"
	"sluice/gateway/gatewaytest"
)

// TestSocketOfFailedView: when the view of a subscription fails, by a panic, its socket closes. Otherwise the subscription
// would stay open and get no more changes.
func TestSocketOfFailedView(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	s := g.Socket(t, gatewaytest.KeyItems)
	s.Send(`{"type":"subscribe","collection":"m","uid":"1","query":{"fields":["a"]}}`)
	s.Expect(gatewaytest.SubscriptionMessage("init", `[]`, "1"))
	var subscription *broker.Subscriber
	g.Broker.Each(func(h broker.Held) bool {
		if h.Holder == nil {
			subscription = h.Subscriber
		}
		return true
	})
	if subscription == nil {
		t.Fatal("the socket has no subscription")
	}
	subscription.End(broker.EndFailed)
	s.ExpectClose(websocket.StatusGoingAway)
}
