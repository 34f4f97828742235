package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/broker"
	"sluice/cluster/bus"
	"sluice/cluster/peers"
	"sluice/config"
	"sluice/handlers"
	"sluice/handlers/audit"
	"sluice/handlers/driftdb"
	"sluice/handlers/realtime"
	"sluice/handlers/traffic"
	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/journal"
	"sluice/store/share"
	"sluice/store/streams"
	"sluice/store/subscriptions"
)

// Options are parameters that are not settings. Zero values are right for a gateway in its own process.
type Options struct {
	Logger  *slog.Logger // nil: nothing is logged
	Memory  MemoryLimit  // the memory that the process may take; zero: no limit
	Version string
	Stop    context.Context // ends a start that takes long, such as one that loads a snapshot; nil: nothing does

	// The rest is for tests.

	Journal        eventlog.Journal // in place of the gateway's own
	Engine         eventlog.Engine  // in place of the one that DATA_DIR names; the gateway closes it
	CheapPasswords bool             // hashes take less than 50 ms, and protect nothing
	Shards         int              // of the shared writers; 0: one for each processor; negative: none
	RingBytes      int              // of frames shared at the head; 0: by Memory
	Replays        int              // concurrent steps of catching up; 0: by the number of processors
	Now            func() time.Time // the clock for the times in documents; nil: time.Now
	Doors          []Opener         // they open after the gateway's own
}

// Gateway is a whole gateway, ready to run. Its fields are its parts: read them, but do not set them.
type Gateway struct {
	Log       *eventlog.Log
	Auth      *auth.Authenticator
	Broker    *broker.Broker
	Memory    *share.Memory // used for clients
	Traffic   *traffic.Traffic
	Databases *streams.Catalog
	Documents *documents.Store
	Accounts  *account.Store
	Names     *subscriptions.Store // of lists of channels
	Realtime  *realtime.Handler
	Rooms     *driftdb.Handler
	Registry  *prometheus.Registry // of its metrics

	FirstKey, FirstAdminKey FirstKey // those of a first start, if they are in force

	cfg           *config.Config
	o             Options
	budgets       budgets
	administrator *auth.Administrator
	answers       *share.Answers // of documents and of Persistr
	trail         *audit.Trail
	descriptors   *traffic.Descriptors
	certificates  *certificates
	bus           *bus.Bus         // nil if the gateway is alone
	peers         *peers.Peers     // the same
	journal       *journal.Journal // the same
	origin        uint64           // of what it sends to the others; new at each start
	levels        *levels          // nil if the gateway is alone
	starting      context.Context  // ends when the start must end: see Options.Stop, or the journal is not followed any more
	endStart      context.CancelCauseFunc
	away          atomic.Bool // its clients are sent away
	opened        atomic.Bool // all of it is open: before, it catches up with the others
	handler       http.Handler
	backups       sync.Mutex // one at a time

	listener        net.Listener
	metricsListener net.Listener

	failed  context.Context         // ends with the first fatal error of the log, as its cause
	fail    context.CancelCauseFunc // ends it
	closers []func() error
	group   sync.WaitGroup
}

// New builds a gateway; Close ends it. The error is a SettingsError if the settings cannot be used.
func New(cfg *config.Config, o Options) (*Gateway, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Stop == nil {
		o.Stop = context.Background()
	}
	g := &Gateway{
		cfg: cfg, o: o, budgets: newBudgets(o.Memory), Registry: prometheus.NewRegistry(),
	}
	g.failed, g.fail = context.WithCancelCause(context.Background())
	g.starting, g.endStart = context.WithCancelCause(o.Stop)
	context.AfterFunc(g.failed, func() { g.endStart(context.Cause(g.failed)) })
	// Each step needs those before it. Steps that can fail because of the settings alone come first, so that they leave no
	// folder behind.
	for _, step := range []func() error{
		g.loadCertificates, g.checkCredentials, g.openBus, g.openPeers, g.prepareFolder, g.openLog, g.openLevels, g.openBroker, g.startPeers, g.openDocuments,
		g.startLog, g.openAuth, g.openStore, g.openTrail, g.openDoors, g.openSnapshots, g.endPeersFirst,
	} {
		if err := step(); err != nil {
			g.Close()
			return nil, err
		}
	}
	g.opened.Store(true)
	return g, nil
}

// onClose registers f for Close. Close calls it before it closes anything that was opened earlier.
func (g *Gateway) onClose(f func() error) { g.closers = append(g.closers, f) }

// Close closes what New opened, the newest part first. Call it after Serve has returned, or without Serve.
func (g *Gateway) Close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		if err := g.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			g.o.Logger.Error("closing", "cause", err)
		}
	}
	g.closers = nil
}

// Reload reads keys and certificates again. On an error the last good ones stay.
func (g *Gateway) Reload() {
	g.o.Logger.Info("reloading keys and certificates")
	if err := g.Auth.Reload(); err != nil {
		g.o.Logger.Error("keys cannot be reloaded; the last good ones stay in use", "cause", err)
	}
	if g.certificates != nil {
		if err := g.certificates.load(); err != nil {
			g.o.Logger.Error("certificates cannot be reloaded; the last good ones stay in use", "cause", err)
		}
	}
}

func (g *Gateway) openBroker() error {
	ring := g.o.RingBytes
	if ring == 0 {
		ring = int(g.budgets.ring)
	}
	g.Broker = broker.New(g.Log, broker.Options{RingBytes: ring, Replays: g.o.Replays, RetryConnect: g.cfg.RetryConnect, RetryEvent: g.cfg.RetryEvent, Logger: g.o.Logger})
	g.Memory = share.NewReserved(int64(g.cfg.MaxMemoryPerKey), int64(g.cfg.MaxClientMemory))
	g.descriptors = handlers.WatchDescriptors(g.o.Logger)
	g.Traffic = traffic.New(traffic.NewMetrics(g.Registry, g.Broker, g.Memory), traffic.Limits{
		Connections: g.cfg.MaxConnections, ConnectionsPerKey: g.cfg.MaxConnectionsPerKey, Pending: g.cfg.MaxPending, Descriptors: g.descriptors,
	}, g.Memory)
	g.registerMetrics()
	return nil
}

func (g *Gateway) openTrail() error {
	g.trail = audit.New(g.Log, g.o.Logger)
	g.onClose(g.trail.Close)
	g.counter("sluice_audit_dropped_total", "Entries of the audit trail that could not be stored.", g.trail.Dropped)
	return nil
}
