package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/cluster/peers"
)

// Pages of several gateways, put together, are pages of all their connections. Some gateways send less than they were asked
// for.
func TestMergeConnections(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.SampledFrom([]ordering{newestFirst, slowestFirst}).Draw(t, "sort")
		nodes := make([][]connection, rapid.IntRange(0, 4).Draw(t, "nodes"))
		var want []string
		for i := range rapid.IntRange(0, 30).Draw(t, "connections") {
			if len(nodes) == 0 {
				break
			}
			at := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
			c := connection{ID: fmt.Sprint(i), Since: time.Unix(int64(rapid.IntRange(0, 9).Draw(t, "since")), 0), Oldest: uint64(rapid.IntRange(0, 3).Draw(t, "oldest"))}
			nodes[at] = append(nodes[at], c)
			want = append(want, c.order(by))
		}
		slices.Sort(want)
		for _, n := range nodes {
			slices.SortFunc(n, func(a, b connection) int { return strings.Compare(a.order(by), b.order(by)) })
		}
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		var got []string
		for after, more := "", true; more; {
			var pages []connections
			for _, n := range nodes {
				p := connections{Total: len(n), Matching: len(n)}
				p.List, p.More = page(query{after: after, limit: limit}, n, func(c *connection) string { return c.order(by) })
				if len(p.List) > 1 && rapid.Bool().Draw(t, "short") {
					p.List, p.More = p.List[:len(p.List)/2], true
				}
				pages = append(pages, p)
			}
			all := merge(pages, query{limit: limit, sort: by})
			if all.Total != len(want) || all.Matching != len(want) || len(all.List) > limit || all.More && len(all.List) == 0 {
				t.Fatalf("%+v of %d", all, len(want))
			}
			for i := range all.List {
				after = all.List[i].order(by)
				got = append(got, after)
			}
			more = all.More
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// A page that does not fit into an answer is cut.
func TestShortPage(t *testing.T) {
	t.Parallel()
	p := connections{List: make([]connection, maxListed)}
	if got := p.short(); len(got.List) != maxListed || got.More {
		t.Errorf("%d of %d fit", len(got.List), maxListed)
	}
	for i := range p.List {
		p.List[i].Channels = strings.Repeat("<", maxChannels) // six bytes each in JSON
	}
	if got := p.short(); len(got.List) != maxListed/4 || !got.More || peers.MaxAnswer > 1<<20 {
		t.Errorf("%d of %d fit, more %v", len(got.List), maxListed, got.More)
	}
}
