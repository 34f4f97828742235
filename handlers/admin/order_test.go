package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/broker"
	"sluice/channel"
	"sluice/gateway/gatewaytest"
)

// hold adds a client that reads nothing. It is behind by what is published afterwards.
func hold(t *testing.T, g *gatewaytest.Gateway, id string, started int64) *broker.Subscriber {
	t.Helper()
	p, err := channel.Parse("goal")
	if err != nil {
		t.Fatal(err)
	}
	who := &held{broker.Client{RequestID: id, Name: id, Kind: "key", From: "192.0.2.1", Started: time.Unix(started, 0)}}
	s, err := g.Broker.Subscribe(broker.Filter{Channels: channel.NewSet(p), Holder: who}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// inOrder lists the ids of connections over all pages, each page in brackets.
func (g *gateway) inOrder(t *testing.T, query string) string {
	t.Helper()
	var text strings.Builder
	all, sizes, _ := g.pages(t, "/admin/connections", query)
	for _, n := range sizes {
		text.WriteString("[")
		for _, one := range all[:n] {
			text.WriteString(one["id"].(string))
			if _, leaked := one["oldest"]; leaked {
				t.Errorf("%v shows what is for gateways only", one)
			}
		}
		text.WriteString("]")
		all = all[n:]
	}
	return text.String()
}

// With sort=lag the connection comes first that waits the longest, then those that do not wait, the newest first.
func TestSlowestFirst(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	hold(t, g.Gateway, "a", 1)
	g.Publish(t, `{"event":"goal"}`)
	hold(t, g.Gateway, "b", 2)
	hold(t, g.Gateway, "c", 3)
	g.Publish(t, `{"event":"goal"}`)
	hold(t, g.Gateway, "d", 4)
	hold(t, g.Gateway, "e", 5)
	for query, want := range map[string]string{
		"":                          "[edcba]",
		"sort=":                     "[edcba]",
		"sort=lag":                  "[acbed]",
		"sort=lag&limit=1":          "[a][c][b][e][d]",
		"sort=lag&limit=2":          "[ac][be][d]",
		"sort=lag&limit=5":          "[acbed]",
		"sort=lag&search=b":         "[b]",
		"limit=2":                   "[ed][cb][a]",
		"sort=lag&limit=2&search=k": "[ac][be][d]",
		"sort=lag&limit=4&group=channel&in=" + g.groupOf(t): "[acbe][d]",
	} {
		if got := g.inOrder(t, query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	const bad = `{"message":"parameter sort: %s","code":"bad_parameter"}`
	for query, why := range map[string]string{
		"sort=bytes":         "must be lag; leave it out for the newest first",
		"sort=LAG":           "must be lag; leave it out for the newest first",
		"sort=lag&group=key": "is for connections, not for groups; leave it out, or name a group with in",
	} {
		g.look(t, "GET /admin/connections?"+query, http.StatusBadRequest, fmt.Sprintf(bad, why))
	}
	// What comes while somebody turns pages moves nobody who waits.
	first := g.admin1(t, "GET", "/admin/connections?sort=lag&limit=2", "", nil)
	hold(t, g.Gateway, "f", 6)
	g.Publish(t, `{"event":"goal"}`)
	next := nextPage.FindStringSubmatch(first.head.Get("Link"))[1]
	if got := g.inOrder(t, next[1:]); got != "[bf][ed]" {
		t.Errorf("after [ac]: %s", got)
	}
}

// groupOf is the id of the only group of channels.
func (g *gateway) groupOf(t *testing.T) string {
	t.Helper()
	all, _, _ := g.pages(t, "/admin/connections", "group=channel")
	if len(all) != 1 {
		t.Fatal(all)
	}
	return all[0]["group"].(string)
}
