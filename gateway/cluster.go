package gateway

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	"sluice/broker"
	"sluice/cluster/bus"
	"sluice/config"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
)

// clusterWait is how long a publisher of a cluster waits. The journal is without a leader for 4 to 9 s when the server that
// leads it dies.
const clusterWait = 15 * time.Second

// leaderWait is how long a start waits for the journal's leader.
const leaderWait = time.Minute

// clustered reports whether the gateway is one of several.
func (g *Gateway) clustered() bool { return g.cfg.ClusterURL != "" }

// openBus connects to the cluster's servers.
func (g *Gateway) openBus() (err error) {
	if !g.clustered() {
		return nil
	}
	g.origin = journal.NewOrigin()
	if g.bus, err = ConnectBus(g.cfg, g.o); err != nil {
		return err
	}
	g.onClose(func() error { g.bus.Close(); return nil })
	return nil
}

// ConnectBus connects to the servers of the cluster that the settings name.
func ConnectBus(cfg *config.Config, o Options) (*bus.Bus, error) {
	node := cfg.ClusterNode
	if node == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("looking for the name of this machine: %w; set CLUSTER_NODE", err)
		}
		node = notInNames.ReplaceAllString(host, "-")
	}
	return bus.Connect(bus.Options{
		URL: cfg.ClusterURL, Cluster: cfg.ClusterName, Node: node, Secret: cfg.ClusterSecret, Credentials: cfg.ClusterCredentials,
		CA: cfg.ClusterCA, Cert: cfg.ClusterCert, Key: cfg.ClusterKey, Logger: o.Logger,
	})
}

// notInNames is what the name of a machine may have and that of a gateway may not.
var notInNames = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// openJournal returns the journal of the cluster, from where an engine has come to; nil if the gateway is alone.
func (g *Gateway) openJournal(engine eventlog.Engine) (eventlog.Journal, error) {
	if !g.clustered() {
		return g.o.Journal, checkAlone(engine, g.cfg.DataDir)
	}
	ctx, cancel := context.WithTimeout(g.starting, leaderWait)
	defer cancel()
	state, err := journal.LookUntil(ctx, g.bus)
	if err != nil {
		return nil, fmt.Errorf("%w; do two of the three servers of CLUSTER_URL run?", err)
	}
	g.journal = journal.Open(g.bus, engine.Applied().Place, journal.Options{
		Birth: state.Birth, Origin: g.origin, Majority: g.peers.Majority, Fatal: g.fail, Stopped: g.endStart, Logger: g.o.Logger,
	})
	return g.journal, nil
}

// ready is the reason that the gateway cannot serve now, or nil.
func (g *Gateway) ready() error {
	if err := g.Log.Err(); err != nil || !g.clustered() {
		return err
	}
	if g.away.Load() {
		return broker.ErrBehind
	}
	return g.peers.Err()
}

// startLog begins to apply the journal, if it is one of several gateways. All that derives or follows rows by itself is
// open by then, and the broker has the tail. It fails if the journal cannot be followed up to its end.
func (g *Gateway) startLog() error {
	err := g.Log.Start(g.starting)
	if stopped := context.Cause(g.starting); err != nil && stopped != nil {
		err = stopped
	}
	if err != nil {
		return fmt.Errorf("catching up with the journal: %w", err)
	}
	return nil
}
