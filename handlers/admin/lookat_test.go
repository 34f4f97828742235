//go:build unix

package admin_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// Any gateway shows the figures and the connections of another one by its name, and its own.
func TestLookAtOneGateway(t *testing.T) {
	t.Parallel()
	all := gatewaytest.Cluster(t, 3)
	for _, i := range []int{1, 2, 1} { // a page of n1 that goes on with one of n2 is wrong
		events, stop := all[i].StreamEvents(t, gatewaytest.KeyPut)
		defer stop()
		gatewaytest.NextOf(t, events, "init")
	}
	for _, from := range all {
		for node, want := range map[string]int{"n0": 0, "n1": 2, "n2": 1} {
			stats := from.AsAdmin(t, "GET", "/admin/stats?node="+node, "", 200)
			if _, sums := stats["cluster"]; stats["node"] != node || stats["connections"] != float64(want) || sums {
				t.Errorf("%s: %v", node, stats)
			}
			list := from.AsAdmin(t, "GET", "/admin/connections?node="+node, "", 200)["list"].([]any)
			for _, one := range list {
				if one.(map[string]any)["node"] != node {
					t.Errorf("%s: %v", node, one)
				}
			}
			if len(list) != want {
				t.Errorf("%s: %v", node, list)
			}
		}
		for _, path := range []string{"/admin/stats", "/admin/connections"} {
			if text := from.AsAdmin(t, "GET", path+"?node=n7", "", 404)["message"].(string); !strings.Contains(text, "there are n0, n1, n2") {
				t.Error(text)
			}
		}
	}
	// The second page is of the same gateway.
	first := all[0].OpenAt(t, gatewaytest.AdminKey, "/admin/connections?node=n1&limit=1")
	if h := first.Answer.Header; h.Get("X-Total-Count") != "2" || h.Get("X-Match-Count") != "2" || h.Get("X-Missing-Nodes") != "" {
		t.Errorf("%v", h)
	}
	next, _, _ := strings.Cut(strings.TrimPrefix(first.Answer.Header.Get("Link"), "<"), ">")
	var pages [2][]struct{ ID, Node string }
	for i, answer := range []*http.Response{first.Answer, all[0].OpenAt(t, gatewaytest.AdminKey, "/admin/connections"+next).Answer} {
		if err := json.NewDecoder(answer.Body).Decode(&pages[i]); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := pages[0], pages[1]; len(a) != 1 || len(b) != 1 || a[0].ID == b[0].ID || b[0].Node != "n1" {
		t.Errorf("%v after %q", pages, next)
	}
	// The stream is of one too. It ends when that gateway leaves, and says why to those who ask again.
	figures := all[0].OpenAt(t, gatewaytest.AdminKey, "/admin/stats?node=n1", "Accept", "text/event-stream")
	for range 2 {
		var stats struct{ Node string }
		if e := figures.Event(t); json.Unmarshal([]byte(e.Data), &stats) != nil || e.Name != "stats" || stats.Node != "n1" {
			t.Errorf("%+v", e)
		}
	}
	all[1].Stop(t)
	if _, err := io.ReadAll(figures.Answer.Body); err != nil {
		t.Errorf("the stream did not end by itself: %v", err)
	}
	for _, accept := range []string{"", "text/event-stream"} {
		status, text := all[0].Request(t, "GET", "/admin/stats?node=n1", "", "x-apikey", gatewaytest.AdminKey, "Accept", accept)
		if status != http.StatusNotFound || !strings.Contains(text, "there are n0, n2") {
			t.Errorf("%d %s", status, text)
		}
	}
}

// A gateway alone refuses the name of one, whatever it is: the request is meant for a cluster.
func TestNoOneGatewayAlone(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for _, path := range []string{"/admin/stats", "/admin/connections"} {
		if answer := g.AsAdmin(t, "GET", path+"?node=n0", "", 400); answer["code"] != "bad_parameter" {
			t.Errorf("%v", answer)
		}
		g.AsAdmin(t, "GET", path+"?node=", "", 200)
	}
}
