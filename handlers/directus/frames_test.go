package directus_test

import (
	"fmt"
	"testing"

	"sluice/gateway/gatewaytest"
)

// TestSharedFrames: sockets of one shard get the frames of their own query and uid, whatever was made for the one before.
func TestSharedFrames(t *testing.T) {
	t.Parallel()
	for _, shards := range []int{1, -1} {
		g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.Shards = shards })
		const all, some = `{"fields":["n"]}`, `{"fields":["n"],"filter":{"n":{"_gt":2}}}`
		readers := []struct{ uid, query string }{{"a", all}, {"a", all}, {"b", all}, {"a", some}, {"a", all}, {"b", some}}
		sockets := make([]*gatewaytest.Socket, len(readers))
		for i, r := range readers {
			sockets[i] = g.Socket(t, gatewaytest.KeyItems)
			sockets[i].Send(`{"type":"subscribe","collection":"m","uid":"` + r.uid + `","query":` + r.query + `}`)
			sockets[i].Expect(gatewaytest.SubscriptionMessage("init", `[]`, r.uid))
		}
		writer := g.Socket(t, gatewaytest.KeyItems)
		const changes = 5
		for n := range changes {
			writer.Send(fmt.Sprintf(`{"type":"items","collection":"m","action":"create","data":{"n":%d},"query":{"fields":["n"]}}`, n))
			writer.Expect(fmt.Sprintf(`{"type":"items","data":{"n":%d}}`, n))
		}
		for i, r := range readers {
			for n := range changes {
				if r.query == all || n > 2 {
					sockets[i].Expect(gatewaytest.SubscriptionMessage("create", fmt.Sprintf(`[{"n":%d}]`, n), r.uid))
				}
			}
			sockets[i].ExpectNothing()
		}
	}
}

// TestSubscriptionsThatStay: when one of a socket's subscriptions ends, the others still get their changes.
func TestSubscriptionsThatStay(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	s := g.Socket(t, gatewaytest.KeyItems)
	for _, uid := range []string{"a", "b", "c", "d"} {
		s.Send(`{"type":"subscribe","collection":"m","uid":"` + uid + `","query":{"fields":["n"]}}`)
		s.Expect(gatewaytest.SubscriptionMessage("init", `[]`, uid))
	}
	writer := g.Socket(t, gatewaytest.KeyItems)
	left := map[string]bool{"a": true, "b": true, "c": true, "d": true}
	for n, uid := range []string{"b", "a", "d"} {
		s.Send(`{"type":"unsubscribe","uid":"` + uid + `"}`)
		s.Expect(`{"type":"subscription","event":"unsubscribe","uid":"` + uid + `"}`)
		delete(left, uid)
		writer.Send(fmt.Sprintf(`{"type":"items","collection":"m","action":"create","data":{"n":%d},"query":{"fields":["n"]}}`, n))
		writer.Expect(fmt.Sprintf(`{"type":"items","data":{"n":%d}}`, n))
		var want []string
		for uid := range left {
			want = append(want, gatewaytest.SubscriptionMessage("create", fmt.Sprintf(`[{"n":%d}]`, n), uid))
		}
		s.ExpectInAnyOrder(want...)
		s.ExpectNothing()
	}
}
