package gateway

import (
	"context"
	"time"

	"sluice/cluster/peers"
	"sluice/store/eventlog"
	"sluice/store/panics"
)

// compareEvery is the time between two comparisons with the states of the others.
const compareEvery = time.Second

// compareStates compares this gateway's state with what the others say of theirs, until ctx ends. Messages of the journal are
// compared too, but only those send some that take publishes.
func (g *Gateway) compareStates(ctx context.Context) {
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.compareOnce()
		}
	}
}

func (g *Gateway) compareOnce() {
	defer panics.Contain(g.o.Logger, "comparing the states of the gateways")
	compare(g.peers.List(), g.Log.Agrees, g.journal.Compared)
}

// compare reports who of the others agrees with this gateway. Nothing is reported of a gateway that is at another place, since
// states differ there, nor of one that is away: what it said last is old.
func compare(list []peers.Peer, agrees func(eventlog.Claim) (agrees, known bool), report func(origin uint64, agrees bool)) {
	for _, p := range list {
		if p.Self || p.Away {
			continue
		}
		if agrees, known := agrees(eventlog.Claim{Place: p.Place, Chain: p.Chain}); known {
			report(p.Origin, agrees)
		}
	}
}
