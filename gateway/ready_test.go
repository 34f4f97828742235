//go:build unix

package gateway_test

import (
	"errors"
	"fmt"
	"testing"

	"sluice/config"
	"sluice/gateway"
	"sluice/gateway/gatewaytest"
	"sluice/handlers"
)

// A gateway tells the others, and so sluice cluster status, that it is ready when it takes clients: not while it opens and catches
// up, and not while it drains.
func TestReadyForOthers(t *testing.T) {
	t.Parallel()
	var of config.Config
	first := gatewaytest.Cluster(t, 1, func(s *gatewaytest.Setup) { of = s.Config })[0]
	said := func(ready bool) error { // of the second one
		for _, one := range first.AsAdmin(t, "GET", "/admin/cluster", "", 200)["nodes"].([]any) {
			if n := one.(map[string]any); n["node"] == "second" {
				if n["ready"] == ready {
					return nil
				}
				return fmt.Errorf("it is ready: %v", n["ready"])
			}
		}
		return errors.New("it is not listed")
	}
	second := gatewaytest.Start(t, func(s *gatewaytest.Setup) {
		s.ClusterURL, s.ClusterName, s.ClusterNode, s.ClusterSecret, s.DataDir = of.ClusterURL, of.ClusterName, "second", of.ClusterSecret, t.TempDir()
		s.Doors = []gateway.Opener{func(g *gateway.Gateway) (handlers.Door, error) {
			gatewaytest.Until(t, func() error { return said(false) }) // the doors are the last to open
			return openToy(g, 0)
		}}
	})
	gatewaytest.Until(t, func() error { return said(true) })
	if err := second.Traffic.Drain(t.Context(), second.Broker); err != nil {
		t.Fatal(err)
	}
	gatewaytest.Until(t, func() error { return said(false) })
}
