package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sluice/cluster/peers"
	"sluice/store/eventlog"
)

// Claims are compared with this gateway's chain at the same place. Nothing is said of who cannot be compared: who is at a place that
// this gateway does not know, or is away, or this gateway itself.
func TestCompare(t *testing.T) {
	t.Parallel()
	chain := map[uint64]uint64{7: 70, 8: 80, 9: 90} // of this gateway, by place
	agrees := func(c eventlog.Claim) (bool, bool) {
		own, known := chain[c.Place]
		return own == c.Chain, known
	}
	at := func(origin, place, chain uint64) peers.Peer {
		return peers.Peer{Origin: origin, State: peers.State{Place: place, Chain: chain, Ready: true}}
	}
	self := func(p peers.Peer) peers.Peer { p.Self = true; return p }
	away := func(p peers.Peer) peers.Peer { p.Away = true; return p }
	notReady := func(p peers.Peer) peers.Peer { p.Ready = false; return p }
	for name, c := range map[string]struct {
		list []peers.Peer
		want string
	}{
		"nobody":                         {nil, ""},
		"the same":                       {[]peers.Peer{at(1, 9, 90)}, "1 agrees"},
		"another claim":                  {[]peers.Peer{at(1, 9, 91)}, "1 differs"},
		"the same at an earlier place":   {[]peers.Peer{at(1, 7, 70)}, "1 agrees"},
		"another at an earlier place":    {[]peers.Peer{at(1, 7, 90)}, "1 differs"},
		"before what is known":           {[]peers.Peer{at(1, 6, 60)}, ""},
		"not applied here yet":           {[]peers.Peer{at(1, 10, 90)}, ""},
		"has applied nothing":            {[]peers.Peer{at(1, 0, 0)}, ""},
		"this gateway":                   {[]peers.Peer{self(at(1, 9, 91))}, ""},
		"away":                           {[]peers.Peer{away(at(1, 9, 91))}, ""},
		"not ready, so all the more":     {[]peers.Peer{notReady(at(1, 9, 91))}, "1 differs"},
		"each of several by its process": {[]peers.Peer{at(1, 9, 90), self(at(7, 9, 91)), at(2, 8, 81), at(3, 10, 1), away(at(8, 9, 91)), at(4, 8, 80), at(5, 7, 71)}, "1 agrees, 2 differs, 4 agrees, 5 differs"},
	} {
		var said []string
		compare(c.list, agrees, func(origin uint64, agrees bool) {
			said = append(said, fmt.Sprintf("%d %s", origin, map[bool]string{true: "agrees", false: "differs"}[agrees]))
		})
		if got := strings.Join(said, ", "); got != c.want || !slices.IsSorted(said) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
