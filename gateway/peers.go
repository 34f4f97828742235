package gateway

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/cluster/peers"
	"sluice/handlers/admin"
	"sluice/store/eventlog/journal"
)

// openPeers takes the gateway's name in its cluster.
func (g *Gateway) openPeers() (err error) {
	if !g.clustered() {
		return nil
	}
	g.peers, err = peers.Open(context.Background(), peers.Options{
		Network: g.bus, Node: g.bus.Node(), Origin: g.origin, Logger: g.o.Logger,
	})
	if err != nil {
		return err
	}
	g.onClose(g.closePeers)
	return nil
}

// startPeers tells the others of this gateway, also while it catches up.
func (g *Gateway) startPeers() error {
	if !g.clustered() {
		return nil
	}
	for _, m := range []struct {
		name, help string
		of         func(nodes, away int) int
	}{
		{"sluice_cluster_gateways", "Gateways of the cluster that this one knows, itself included.", func(nodes, _ int) int { return nodes }},
		{"sluice_cluster_gateways_away", "Gateways of the cluster that were silent for 3 seconds or more.", func(_, away int) int { return away }},
	} {
		g.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.name, Help: m.help}, func() float64 {
			return float64(m.of(g.peers.Counts()))
		}))
	}
	g.peers.Start(g.peerState)
	return g.serveGateways()
}

// endPeersFirst has Close end the answers to other gateways before it closes what they are made of.
func (g *Gateway) endPeersFirst() error {
	if g.clustered() {
		g.onClose(g.closePeers)
	}
	return nil
}

func (g *Gateway) closePeers() error {
	g.peers.Close()
	return nil
}

func (g *Gateway) peerState() peers.State {
	claim, end := g.Log.Claim(), g.journal.Metrics().End.Load()
	writes, older := g.levels.show()
	return peers.State{
		Version: g.o.Version, Level: journal.Newest, Writes: writes, Older: older, Address: g.cfg.Addr, Place: claim.Place, Chain: claim.Chain, Behind: max(end, claim.Place) - claim.Place, Newest: g.Log.Settled(),
		Connections: g.Broker.Count(), Ready: g.opened.Load() && g.ready() == nil && !g.Traffic.Draining(),
	}
}

// adminCluster is what the administrator's API needs of the cluster; nil if the gateway is alone.
func (g *Gateway) adminCluster() *admin.Cluster {
	if !g.clustered() {
		return nil
	}
	return &admin.Cluster{Peers: g.peers, Node: g.bus.Node(), Levels: g.levels.show, Journal: g.lookAtJournal}
}

// lookAtJournal asks the journal's leader for its state.
func (g *Gateway) lookAtJournal(ctx context.Context) (admin.Journal, error) {
	state, err := journal.Look(ctx, g.bus)
	if errors.Is(err, context.DeadlineExceeded) {
		return admin.Journal{}, errors.New("no server leads the journal now, or none can be reached")
	}
	if err != nil {
		return admin.Journal{}, err
	}
	j := admin.Journal{Leader: state.Leader, First: state.First, Last: state.Last, Bytes: state.Bytes, Wanted: state.Wanted}
	for _, r := range state.Replicas {
		j.Replicas = append(j.Replicas, admin.Replica{Name: r.Name, Current: r.Current, Behind: r.Lag})
	}
	return j, nil
}
