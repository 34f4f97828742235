//go:build unix

package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// Any gateway of a cluster knows an event's way through all of them, adds up their groups and samples, and cuts the clients
// of a dropped room everywhere.
func TestLookAtCluster(t *testing.T) {
	t.Parallel()
	all := gatewaytest.Cluster(t, 3, func(s *setup) { s.Config.RoomCreate = "open" })
	for _, i := range []int{0, 1, 1} {
		events, stop := all[i].StreamEvents(t, gatewaytest.KeyAll)
		defer stop()
		gatewaytest.NextOf(t, events, "init")
	}
	id := all[2].Publish(t, `{"event":"goal","data":1}`)
	gatewaytest.Until(t, func() error {
		_, text := all[0].Request(t, "GET", "/admin/events/"+id, "", "x-apikey", gatewaytest.AdminKey)
		text = same(text)
		for _, part := range []string{
			`"published":{"who":"all","kind":"key","door":"realtime","from":"127.0.0.1","request_id":"REQUEST","node":"n2"}`,
			`{"node":"n0","known":true,"connections":1,"filters":1,"waiting":0,"now":[{"channels":"*","connections":1}]}`,
			`{"node":"n1","known":true,"connections":2,"filters":1,"waiting":0,"now":[{"channels":"*","connections":2}]}`,
			`{"node":"n2","known":true,"connections":0,"filters":0,"waiting":0,"now":[]}`, `"missing":[]`,
		} {
			if !strings.Contains(text, part) {
				return fmt.Errorf("%s is not in %s", part, text)
			}
		}
		return nil
	})
	one := &gateway{all[0]}
	one.look(t, "GET /admin/connections?group=key", 200, `[{"group":"GROUP","name":"all","kind":"key","connections":3,"lagging":0,"lag_ms":0,"bytes":N}]`)
	one.look(t, "GET /admin/connections?group=channel&node=n1", 200, `[{"group":"GROUP","name":"*","connections":2,"lagging":0,"lag_ms":0,"bytes":N}]`)
	gatewaytest.Until(t, func() error {
		for query, want := range map[string]float64{"": 3, "?node=n1": 2, "?node=n2": 0} {
			samples := all[2].AsAdmin(t, "GET", "/admin/stats/history"+query, "", 200)["samples"].([]any)
			if len(samples) == 0 || samples[len(samples)-1].(map[string]any)["connections"] != want {
				return fmt.Errorf("%q: %v, want %v", query, samples, want)
			}
		}
		return nil
	})
	room := all[0].NewRoom(t)
	all[1].Join(t, room, "")
	one.look(t, "DELETE /admin/rooms/"+room, 204, "")
	gatewaytest.Until(t, func() error {
		if n := all[1].Broker.Count(); n != 2 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
}
