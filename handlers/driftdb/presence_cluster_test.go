//go:build unix

package driftdb_test

import (
	"fmt"
	"testing"

	"sluice/gateway/gatewaytest"
)

// Clients of all gateways are present at each. A client that is at two gateways is there once, with what it said last. What
// is asked at a gateway without any client in the room has the clients of the others.
func TestPresenceOfCluster(t *testing.T) {
	t.Parallel()
	var all []*gateway
	for _, g := range gatewaytest.Cluster(t, 3) {
		all = append(all, &gateway{Gateway: g})
	}
	room := all[0].NewRoom(t)
	a, gotA := all[0].Join(t, room, "")
	b, gotB := all[1].Join(t, room, "")
	want := `[{"client":"a","value":3},{"client":"b","value":2}]`
	for _, g := range all {
		gatewaytest.Until(t, func() error { // clients repeat what they say, as they are present for 4 s
			gatewaytest.SendText(t, a, relay("__presence", `{"value":1,"client":"a"}`))
			taken(t, a, gotA)
			gatewaytest.SendText(t, b, relay("__presence", `{"value":2,"client":"b"}`))
			gatewaytest.SendText(t, b, relay("__presence", `{"value":3,"client":"a"}`))
			taken(t, b, gotB)
			if got := g.there(t, room, ""); got != want {
				return fmt.Errorf("there are %s, want %s", got, want)
			}
			return nil
		})
	}
}
