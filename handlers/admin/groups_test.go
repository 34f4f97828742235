package admin_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"sluice/broker"
	"sluice/channel"
	"sluice/gateway/gatewaytest"
)

// held is a client of which the broker knows, without a connection.
type held struct{ client broker.Client }

func (h *held) Client() broker.Client { return h.client }

// Thousands of connections are grouped by credential and by filter, the largest group first, and each group opens into its
// connections.
func TestGroups(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const many = 5000
	keys, filters := map[string]int{}, map[string]int{}
	for n := range many {
		key, filter := fmt.Sprintf("key-%d", n*n%7), fmt.Sprintf("chat-%d", n*n%1100)
		keys[key], filters[filter] = keys[key]+1, filters[filter]+1
		p, err := channel.Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		who := &held{broker.Client{RequestID: fmt.Sprintf("%016d", n), Name: key, Kind: "key", From: "192.0.2.1", Started: time.Unix(int64(n), 0), Bytes: 10}}
		s, err := g.Broker.Subscribe(broker.Filter{Channels: channel.NewSet(p), Holder: who}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
	}
	for by, want := range map[string]map[string]int{"key": keys, "channel": filters} {
		all, sizes, last := g.pages(t, "/admin/connections", "limit=300&group="+by)
		before := many
		for _, one := range all {
			n := int(one["connections"].(float64))
			if n != want[one["name"].(string)] || n > before || one["bytes"] != float64(10*n) {
				t.Errorf("%v, want %d", one, want[one["name"].(string)])
			}
			before = n
		}
		if len(all) != len(want) || last.head.Get("X-Total-Count") != fmt.Sprint(len(want)) || last.head.Get("X-Groups-Incomplete") != "" {
			t.Errorf("%s: %d groups in pages of %v, want %d: %v", by, len(all), sizes, len(want), last.head)
		}
		first := all[0]
		inside, _, _ := g.pages(t, "/admin/connections", fmt.Sprintf("limit=500&group=%s&in=%s", by, first["group"]))
		for _, one := range inside {
			if one["who"] != first["name"] && one["channels"] != first["name"] {
				t.Fatalf("%v is not of %v", one, first)
			}
		}
		if len(inside) != want[first["name"].(string)] {
			t.Errorf("%d connections of %v", len(inside), first)
		}
	}
	found, _, _ := g.pages(t, "/admin/connections", "group=channel&search=CHAT-100")
	for _, one := range found {
		if name := one["name"].(string); len(name) < 8 || name[:8] != "chat-100" {
			t.Error(one)
		}
	}
	g.look(t, "GET /admin/connections?group=room", 400, `{"message":"parameter group: must be key or channel","code":"bad_parameter"}`)
	g.look(t, "GET /admin/connections?in=x", 400, `{"message":"parameter in: must be the field group of a group, together with the parameter group that listed it","code":"bad_parameter"}`)
}

// Connections that are behind are counted in their group.
func TestLaggingGroup(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	p, err := channel.Parse("goal")
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Broker.Subscribe(broker.Filter{Channels: channel.NewSet(p), Holder: &held{broker.Client{Name: "slow", Kind: "key", RequestID: "1"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	id := g.Publish(t, `{"event":"goal"}`)
	g.look(t, "GET /admin/connections?group=key", 200, `[{"group":"GROUP","name":"slow","kind":"key","connections":1,"lagging":0,"lag_ms":0,"bytes":N}]`)
	gatewaytest.Until(t, func() error {
		_, text := g.Request(t, "GET", "/admin/connections?group=key", "", "x-apikey", gatewaytest.AdminKey)
		var list []struct{ Lagging, Connections int }
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 || list[0].Lagging != 1 {
			return fmt.Errorf("%s %v", text, err)
		}
		return nil
	})
	// It is still to take the event.
	g.look(t, "GET /admin/events/"+id, 200, `{"id":"ID","time":"TIME","space":"","gone":false,"channel":"goal","event":"goal","data":null,`+
		`"published":{"who":"all","kind":"key","door":"realtime","from":"127.0.0.1","request_id":"REQUEST"},`+
		`"gateways":[{"known":true,"connections":1,"filters":1,"waiting":1,"now":[{"channels":"goal","connections":1}]}],"missing":[]}`)
}
