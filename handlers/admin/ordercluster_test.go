//go:build unix

package admin_test

import (
	"errors"
	"testing"

	"sluice/gateway/gatewaytest"
)

// In a cluster the slowest of all gateways comes first, whichever gateway is asked.
func TestSlowestOfCluster(t *testing.T) {
	t.Parallel()
	all := gatewaytest.Cluster(t, 2)
	publish := func(behind ...int) { // what waits there for the event, at each gateway
		id := all[0].Publish(t, `{"event":"goal"}`)
		gatewaytest.Until(t, func() error {
			for i, want := range behind {
				way := all[i].AsAdmin(t, "GET", "/admin/events/"+id, "", 200)
				if gateways := way["gateways"].([]any); gateways[i].(map[string]any)["waiting"] != float64(want) {
					return errors.New("the event is not everywhere")
				}
			}
			return nil
		})
	}
	hold(t, all[0], "a", 1)
	hold(t, all[1], "b", 2)
	publish(1, 1)
	hold(t, all[0], "c", 3)
	publish(2, 1)
	hold(t, all[1], "d", 4)
	for _, one := range all {
		g := &gateway{one}
		for query, want := range map[string]string{
			"":                         "[dcba]",
			"sort=lag":                 "[bacd]",
			"sort=lag&limit=1":         "[b][a][c][d]",
			"sort=lag&limit=3":         "[bac][d]",
			"sort=lag&node=n0":         "[ac]",
			"sort=lag&node=n1&limit=1": "[b][d]",
		} {
			if got := g.inOrder(t, query); got != want {
				t.Errorf("%q: %s, want %s", query, got, want)
			}
		}
	}
}
