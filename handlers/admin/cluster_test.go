//go:build unix

package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"sluice/broker/sse/ssetest"
	"sluice/gateway/gatewaytest"
)

// Each gateway of a cluster shows all of them, lists the connections of all, cuts them, and sums the figures. What a
// gateway that has gone would add is left out, by name where it is not known to have left.
func TestClusterOfAdministrators(t *testing.T) {
	t.Parallel()
	all := gatewaytest.Cluster(t, 3)
	var streams []<-chan ssetest.Event
	for _, g := range all {
		events, stop := g.StreamEvents(t, gatewaytest.KeyPut)
		defer stop()
		gatewaytest.NextOf(t, events, "init")
		streams = append(streams, events)
	}
	for i, g := range all {
		page := g.AsAdmin(t, "GET", "/admin/cluster", "", 200)
		journal := page["journal"].(map[string]any)
		if page["node"] != fmt.Sprintf("n%d", i) || page["majority"] != true || page["writes"] != 1.0 || len(page["older"].([]any)) != 0 || journal["last"].(float64) < 1 || journal["error"] != nil {
			t.Errorf("%v", page)
		}
		for k, one := range page["nodes"].([]any) {
			node := one.(map[string]any)
			if node["node"] != fmt.Sprintf("n%d", k) || node["self"] != (k == i) || node["away"] != false || node["version"] != "test" || node["level"] != 1.0 || node["writes"] != 1.0 {
				t.Errorf("%v", node)
			}
		}
		seen := map[any]bool{}
		list := g.AsAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any)
		for _, one := range list {
			seen[one.(map[string]any)["node"]] = true
		}
		if len(list) != 3 || len(seen) != 3 {
			t.Errorf("%v", list)
		}
		stats := g.AsAdmin(t, "GET", "/admin/stats", "", 200)
		sums := stats["cluster"].(map[string]any)
		if stats["node"] != page["node"] || stats["connections"] != 1.0 || sums["connections"] != 3.0 || sums["nodes"] != 3.0 || len(sums["missing"].([]any)) != 0 {
			t.Errorf("%v", stats)
		}
	}
	// Pages of one.
	r, err := http.NewRequest(http.MethodGet, all[0].URL+"/admin/connections?limit=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", gatewaytest.AdminKey)
	answer, err := all[0].Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if h := answer.Header; h.Get("X-Total-Count") != "3" || h.Get("Link") == "" || h.Get("X-Missing-Nodes") != "" {
		t.Errorf("%v", h)
	}
	// Cut at one what is connected to another.
	list := all[0].AsAdmin(t, "GET", "/admin/connections?search=n1", "", 200)["list"].([]any)
	if len(list) != 0 {
		t.Errorf("a node's name is found: %v", list)
	}
	for _, one := range all[0].AsAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any) {
		if c := one.(map[string]any); c["node"] == "n1" {
			all[2].AsAdmin(t, "DELETE", "/admin/connections/"+c["id"].(string), "", 204)
		}
	}
	gatewaytest.Until(t, func() error {
		for {
			select {
			case _, open := <-streams[1]:
				if !open {
					return nil
				}
			default:
				return errors.New("it was not cut")
			}
		}
	})
	all[2].AsAdmin(t, "DELETE", "/admin/connections/nothing", "", 404)
	// One leaves.
	all[1].Stop(t)
	if sums := all[0].AsAdmin(t, "GET", "/admin/stats", "", 200)["cluster"].(map[string]any); sums["nodes"] != 2.0 || sums["connections"] != 2.0 {
		t.Errorf("%v", sums)
	}
}

// A gateway alone has no cluster, and says nothing of it.
func TestAdminOfNoCluster(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.AsAdmin(t, "GET", "/admin/cluster", "", 404)
	stats := g.AsAdmin(t, "GET", "/admin/stats", "", 200)
	for _, name := range []string{"node", "cluster"} {
		if _, there := stats[name]; there {
			t.Errorf("%v", stats)
		}
	}
}
