package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/config"
	"sluice/handlers"
	"sluice/handlers/admin"
	"sluice/handlers/audit"
	"sluice/handlers/directus"
	"sluice/handlers/driftdb"
	"sluice/handlers/persistr"
	"sluice/handlers/realtime"
	"sluice/handlers/restdb"
	"sluice/handlers/traffic"
	"sluice/store/documents"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
	"sluice/store/rooms"
	"sluice/store/share"
	"sluice/store/streams"
)

// inMemory is the DATA_DIR that keeps nothing.
const inMemory = "memory"

// logFolder is where in DATA_DIR the log is.
const logFolder = "log"

// gateway is all that serve wires together.
type gateway struct {
	cfg       *config.Config
	budgets   budgets
	logger    *slog.Logger
	registry  *prometheus.Registry
	log       *eventlog.Log
	auth      *auth.Authenticator
	broker    *broker.Broker
	memory    *share.Memory
	traffic   *traffic.Traffic
	trail     *audit.Trail
	realtime  *realtime.Handler
	databases *streams.Catalog
	documents *documents.Store
	answers   *share.Answers // of documents and of Persistr
	accounts  *account.Store
	handler   http.Handler
	firstKey  firstKey
	backups   sync.Mutex // one at a time

	certificates    *certificates
	descriptors     *traffic.Descriptors
	listener        net.Listener
	metricsListener net.Listener

	fatal   chan error
	closers []func() error
	group   sync.WaitGroup
}

func newGateway(cfg *config.Config, budgets budgets, logger *slog.Logger) (_ *gateway, err error) {
	g := &gateway{cfg: cfg, budgets: budgets, logger: logger, registry: prometheus.NewRegistry(), fatal: make(chan error, 1)}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if cfg.TLSCertFile != "" {
		if g.certificates, err = newCertificates(cfg.TLSCertFile, cfg.TLSKeyFile, logger); err != nil {
			return g, usageError{err}
		}
	}
	if err = g.openAuth(); err != nil {
		return g, err
	}
	if err = g.openLog(); err != nil {
		return g, err
	}
	if err = g.openStored(); err != nil {
		return g, err
	}
	if err = g.openHandlers(); err != nil {
		return g, err
	}
	return g, nil
}

// openAuth reads the credentials of the settings.
func (g *gateway) openAuth() error {
	cfg := g.cfg
	if withoutCredential(cfg) {
		return usageError{errOpenToAll} // and leave no folder behind
	}
	a, err := auth.New(auth.Options{
		APIKeys: cfg.APIKeys, APIKeysFile: cfg.APIKeysFile,
		Secrets: cfg.JWTSecret, PublicKeyFile: cfg.JWTPublicKeyFile, JWKSURL: cfg.JWTJWKSURL, JWKSRefresh: cfg.JWTJWKSRefresh,
		Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Leeway: cfg.JWTLeeway,
		DefaultSub: cfg.JWTDefaultSub, DefaultPub: cfg.JWTDefaultPub,
		Global: cfg.RealtimeGlobal, QueryCredentials: cfg.QueryCredentials, PublishRate: cfg.PublishRate, Logger: g.logger,
	})
	if err != nil {
		return usageError{keyFaults(err)}
	}
	g.auth = a
	g.closers = append(g.closers, a.Close)
	return nil
}

// tokenSecretFile keeps the secret of the gateway's own tokens.
const tokenSecretFile = "token-secret"

// openStored reads the credentials of the store; without any, and none in the settings, those of a first try.
func (g *gateway) openStored() error {
	if err := g.auth.UseStore(g.log); err != nil {
		return err
	}
	secret := g.cfg.TokenSecret
	if secret == "" {
		var err error
		if secret, _, err = keptSecret(g.cfg.DataDir, tokenSecretFile); err != nil {
			return err
		}
	}
	if err := g.openFirstKey(); err != nil {
		return err
	}
	g.auth.UseTokenSecret(secret)
	return nil
}

// openFirstKey puts the key of a first try in force, where there is no other credential.
func (g *gateway) openFirstKey() (err error) {
	if configured(g.cfg) || g.auth.StoredKeys() > 0 {
		return nil
	}
	if !peer.LoopbackAddr(g.cfg.Addr) {
		return usageError{errOpenToAll}
	}
	if g.firstKey, err = loadFirstKey(g.cfg.DataDir); err != nil {
		return err
	}
	return g.auth.UseMadeKey(g.firstKey.key)
}

func (g *gateway) retention(space string) eventlog.Retention {
	switch {
	case space == "":
		return eventlog.Retention{Age: g.cfg.RetainAge.Microseconds(), Bytes: int64(g.cfg.RetainBytes)}
	case slices.Contains(audit.Spaces[:], space):
		return eventlog.Retention{Age: g.cfg.AuditRetainAge.Microseconds(), Bytes: int64(g.cfg.AuditRetainBytes)}
	}
	return eventlog.Retention{}
}

func (g *gateway) openLog() error {
	engine, err := g.openEngine()
	if err != nil {
		return err
	}
	log, err := eventlog.Open(engine, eventlog.Options{
		Logger: g.logger, QueueBytes: int(g.budgets.queue), KnownBytes: g.budgets.known, Keys: int(g.budgets.keys),
	})
	if err != nil {
		_ = engine.Close() // the first error is the one to tell
		return fmt.Errorf("reading the log in DATA_DIR %s: %w", g.cfg.DataDir, err)
	}
	g.log = log
	g.closers = append(g.closers, log.Close)
	return nil
}

func (g *gateway) openEngine() (eventlog.Engine, error) {
	if g.cfg.DataDir == inMemory {
		return memory.Open(memory.Options{Retain: g.retention}), nil
	}
	durability := pebble.Process
	if g.cfg.Durability == config.DurabilityDisk {
		durability = pebble.Disk
	}
	engine, err := pebble.Open(pebble.Options{
		Dir: filepath.Join(g.cfg.DataDir, logFolder), Durability: durability, Cache: g.budgets.cache, MemTable: uint64(g.budgets.memTable), Retain: g.retention, Logger: g.logger,
		Fatal: func(err error) {
			select {
			case g.fatal <- err:
			default:
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("opening the log in DATA_DIR %s: %w", g.cfg.DataDir, err)
	}
	return engine, nil
}

func (g *gateway) openHandlers() (err error) {
	g.broker = broker.New(g.log, broker.Options{RingBytes: int(g.budgets.ring), RetryConnect: g.cfg.RetryConnect, RetryEvent: g.cfg.RetryEvent})
	frames := sse.FramesName
	if g.cfg.CustomEventFrame == config.FramePublish {
		frames = sse.FramesPublish
	}
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	g.registerLogMetrics()
	g.memory = share.NewReserved(int64(g.cfg.MaxMemoryPerKey), int64(g.cfg.MaxClientMemory))
	g.descriptors = handlers.WatchDescriptors(g.logger)
	g.traffic = traffic.New(traffic.NewMetrics(g.registry, g.broker, g.memory),
		traffic.Limits{Connections: g.cfg.MaxConnections, ConnectionsPerKey: g.cfg.MaxConnectionsPerKey, Pending: g.cfg.MaxPending, Descriptors: g.descriptors}, g.memory)
	if err = errors.Join(g.openDatabases(), g.openDocuments()); err != nil {
		return err
	}
	g.trail = audit.New(g.log, g.logger)
	g.closers = append(g.closers, g.trail.Close)
	g.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sluice_audit_dropped_total", Help: "Entries of the audit trail that could not be stored."},
		func() float64 { return float64(g.trail.Dropped()) }))
	administrator := auth.NewAdministrator(g.cfg.AdminKey)
	g.realtime, err = realtime.New(realtime.Options{
		Auth: g.auth, Broker: g.broker, Databases: g.databases, Logger: g.logger, Traffic: g.traffic,
		Frames: frames, PingInterval: g.cfg.PingInterval, WriteTimeout: g.cfg.WriteTimeout, ReadTimeout: g.cfg.ReadTimeout,
		MaxBody: int64(g.cfg.MaxBody), MaxEvent: int64(g.cfg.MaxEvent),
	})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, g.realtime.Close)
	persistrDoor, err := persistr.New(persistr.Options{
		Answers: g.answers,
		Auth:    g.auth, Accounts: g.accounts, Catalog: g.databases, Broker: g.broker, Traffic: g.traffic, Logger: g.logger,
		Admin: administrator, PingInterval: g.cfg.PingInterval, WriteTimeout: g.cfg.WriteTimeout, ReadTimeout: g.cfg.ReadTimeout,
		MaxBody: int64(g.cfg.MaxBody), MaxEvent: int64(g.cfg.MaxEvent), TrustedProxies: peer.Proxies(g.cfg.TrustedProxies),
		DemoOnLoopback: peer.LoopbackAddr(g.cfg.Addr) && len(g.cfg.TrustedProxies) == 0,
	})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, persistrDoor.Close)
	rooms, err := driftdb.New(driftdb.Options{
		Auth: g.auth, Broker: g.broker, Traffic: g.traffic, Logger: g.logger, Create: driftdb.Create(g.cfg.RoomCreate), Retention: g.cfg.RoomRetention, Unused: g.cfg.RoomUnused,
		Unread:       g.budgets.rooms,
		Bound:        eventlog.Bound{Bytes: int64(g.cfg.MaxRoomBytes), Keys: g.cfg.MaxRoomKeys},
		Limits:       rooms.Limits{Rooms: g.cfg.MaxRooms, CreateRate: g.cfg.RoomCreateRate, CreateRateAll: g.cfg.RoomCreateRateAll, CreateRateKey: g.cfg.RoomCreateRateKey, Connections: g.cfg.MaxRoomConnections, Rate: g.cfg.RoomRate, ConnectionRate: g.cfg.RoomConnectionRate, Flood: g.cfg.RoomFloodTimeout},
		PingInterval: g.cfg.PingInterval, WriteTimeout: g.cfg.WriteTimeout, ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
		TrustedProxies: peer.Proxies(g.cfg.TrustedProxies),
	})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, rooms.Close)
	restDoor := restdb.New(restdb.Options{
		Auth: g.auth, Documents: g.documents, Traffic: g.traffic, ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
	})
	directusDoor := directus.New(directus.Options{
		Auth: g.auth, Documents: g.documents, Broker: g.broker, Traffic: g.traffic, Logger: g.logger, Trail: g.trail,
		Mode: directus.Mode(g.cfg.WebSocketAuth), AuthTimeout: g.cfg.WebSocketAuthTimeout, Heartbeat: g.cfg.WebSocketHeartbeat,
		ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
	})
	adminDoor := admin.New(admin.Options{
		Admin: administrator, Auth: g.auth, History: g.realtime.History, Broker: g.broker, Traffic: g.traffic, Version: version(), Retain: g.retention(""),
		ReadTimeout: g.cfg.ReadTimeout, MaxBody: int64(g.cfg.MaxBody),
		Backup: g.backup, RSS: residentMemory,
	})
	g.closers = append(g.closers, adminDoor.Close)
	g.handler = handlers.New(handlers.Options{
		Realtime: g.realtime, Persistr: persistrDoor, Driftdb: rooms, Restdb: restDoor, Directus: directusDoor, Admin: adminDoor, Traffic: g.traffic, Logger: g.logger, Metrics: g.registry, CORSOrigins: g.cfg.CORSOrigins,
		TrustedProxies: g.cfg.TrustedProxies, Administrator: administrator, Trail: g.trail, Ready: g.log.Err, KeysReady: g.auth.KeysReady,
	})
	return nil
}

// openDatabases reads accounts and databases, and makes those of a first try where the settings ask for them.
func (g *gateway) openDatabases() (err error) {
	if g.databases, err = streams.Open(g.log); err != nil {
		return err
	}
	g.databases.SetLimits(streams.Limits{
		Databases: g.cfg.MaxDatabases, DatabaseBytes: int64(g.cfg.MaxDatabaseBytes), AccountBytes: int64(g.cfg.MaxAccountBytes),
	})
	if g.accounts, err = account.Open(g.log, passwords.New()); err != nil {
		return err
	}
	if !g.cfg.PersistrDemo {
		return nil
	}
	g.logger.Warn("PERSISTR_DEMO is on: everybody who reaches this gateway can sign in as demo/demo")
	if err := persistr.MakeDemo(context.Background(), g.accounts, g.databases); err != nil {
		return fmt.Errorf("making the account of PERSISTR_DEMO: %w", err)
	}
	return nil
}

// openDocuments finds the collections and builds what indexes are declared anew.
func (g *gateway) openDocuments() (err error) {
	for _, fields := range g.cfg.CollectionIndexes {
		for i, f := range fields {
			if f == "date_created" { // what Directus' clients call it
				fields[i] = "_created"
			}
		}
	}
	g.answers = documents.NewAnswers(int64(g.cfg.MaxResult), g.budgets.answers)
	g.documents, err = documents.Open(context.Background(), g.log, documents.Options{
		Answers: g.answers,
		Indexes: g.cfg.CollectionIndexes, MaxDocument: int(g.cfg.MaxDocument), MaxDocuments: int64(g.cfg.MaxDocuments), MaxBytes: int64(g.cfg.MaxCollectionBytes),
		MaxCollections: g.cfg.MaxCollections, MaxResult: int64(g.cfg.MaxResult), QueryTime: g.cfg.QueryTime, Logger: g.logger,
	})
	return err
}

func (g *gateway) registerLogMetrics() {
	gauge := func(name, help string, of func(eventlog.State) float64) {
		g.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			state, err := g.log.State("")
			if err != nil {
				return 0
			}
			return of(state)
		}))
	}
	g.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sluice_log_damaged_total", Help: "Damaged places of the log's files, met at the start or in reading. What lay there is lost."},
		func() float64 { return float64(g.log.Damaged()) }))
	gauge("sluice_log_bytes", "Bytes of records that /realtime retains.", func(s eventlog.State) float64 { return float64(s.Bytes) })
	gauge("sluice_log_events", "Records that /realtime retains.", func(s eventlog.State) float64 { return float64(s.Count) })
	gauge("sluice_log_oldest_id", "The oldest retained id: the time of its commit in microseconds.", func(s eventlog.State) float64 { return float64(s.Oldest) })
}
