//go:build unix

package gatewaytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sluice/cluster/bus"
	"sluice/cluster/clustertest"
	"sluice/config"
	"sluice/gateway"
)

// Cluster starts gateways of one cluster, named n0, n1 and so on, in this process. They know each other when it returns.
func Cluster(t *testing.T, n int, change ...func(*Setup)) (all []*Gateway) {
	t.Helper()
	url, secret := clustertest.NATS(t), strings.Repeat("s", 32)
	b, err := bus.Connect(bus.Options{URL: url, Cluster: "sluice", Node: "init", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	first := &config.Config{DataDir: t.TempDir()}
	if _, err := gateway.InitCluster(ctx, first, b, gateway.InitOptions{Bytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		all = append(all, Start(t, append([]func(*Setup){func(s *Setup) {
			s.ClusterURL, s.ClusterName, s.ClusterNode, s.ClusterSecret, s.DataDir = url, "sluice", fmt.Sprintf("n%d", i), secret, t.TempDir()
		}}, change...)...))
	}
	for _, g := range all {
		Until(t, func() error {
			nodes := g.AsAdmin(t, "GET", "/admin/cluster", "", 200)["nodes"].([]any)
			if len(nodes) != n {
				return fmt.Errorf("%d gateways, want %d", len(nodes), n)
			}
			for _, one := range nodes {
				if one.(map[string]any)["ready"] != true {
					return errors.New("a gateway is not ready")
				}
			}
			return nil
		})
	}
	return all
}
