package handlers_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/broker"
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
	"sluice/store/share"
	"sluice/store/streams"
)

func TestMain(m *testing.M) {
	// Each case opens several gateways; make models tries more.
	if err := flag.Set("rapid.checks", "40"); err != nil { // what the command line says comes after it
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// Keys of the tests, by what they may do.
const (
	keyAll     = "key-all-0123456789"
	keyNone    = "key-none-0123456789"
	keyPut     = "key-put-0123456789"
	keyOrigin  = "key-origin-0123456789"
	keyRate    = "key-rate-0123456789"
	keyPublish = "key-publish-0123456789"
	keyExpired = "key-expired-0123456789"
	adminKey   = "admin-0123456789"
)

var testKeys = fmt.Sprintf(`[
	{"name":"all","key":%q,"sub":["*"],"pub":["*"]},
	{"name":"none","key":%q},
	{"name":"put","key":%q,"sub":["PUT:customer","chat-*"],"pub":["PUT:customer"]},
	{"name":"origin","key":%q,"sub":["*"],"pub":["*"],"origins":["https://a.example"]},
	{"name":"rate","key":%q,"sub":["*"],"pub":["*"],"rate":2},
	{"name":"publish","key":%q,"sub":["*"],"pub":["*"],"frames":"publish"},
	{"name":"expired","key":%q,"sub":["*"],"pub":["*"],"expires":"2020-01-01T00:00:00Z"}
]`, keyAll, keyNone, keyPut, keyOrigin, keyRate, keyPublish, keyExpired)

// gateway is a whole one over the memory engine, on a real listener.
type gateway struct {
	*httptest.Server
	realtime *realtime.Handler
	broker   *broker.Broker
	log      *eventlog.Log
	traffic  *traffic.Traffic
	memory   *share.Memory
	admin    *admin.Handler
	trail    *audit.Trail
	persistr *persistr.Handler
	rooms    *driftdb.Handler

	databases *streams.Catalog
	documents *documents.Store
	accounts  *account.Store
	auth      *auth.Authenticator
	stopped   sync.Once
}

type setup struct {
	auth     auth.Options
	realtime realtime.Options
	cors     []string
	tls      bool
	retain   eventlog.Retention
	broker   broker.Options
	limits   traffic.Limits
	memory   [2]int64      // bytes held for one credential, and for all
	rooms    time.Duration // retention
	unused   time.Duration // retention of rooms that nothing was pushed to
	create   driftdb.Create
	room     driftdb.Limits
	directus directus.Options
	document documents.Options
	engine   eventlog.Engine // one of the test's own, in place of the memory engine
	logger   *slog.Logger
	proxies  []*net.IPNet
	listener func(net.Listener) net.Listener // put around the gateway's, if any
}

func newGateway(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	s := setup{
		auth:     auth.Options{APIKeys: testKeys, QueryCredentials: true},
		realtime: realtime.Options{PingInterval: time.Minute, WriteTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, MaxBody: 1 << 20, MaxEvent: 64 << 10},
		cors:     []string{"*"},
		broker:   broker.Options{RetryEvent: 10 * time.Second},
		memory:   [2]int64{64 << 20, 256 << 20},
		rooms:    time.Hour,
		unused:   time.Hour,
		create:   driftdb.Anybody,
		room:     driftdb.Limits{Rooms: 10_000, CreateRate: 1 << 20, CreateRateAll: 1 << 20, CreateRateKey: 1 << 20, Connections: 100, Rate: 2000, ConnectionRate: 300, Flood: time.Minute},
		directus: directus.Options{Mode: directus.Handshake, AuthTimeout: 5 * time.Second, Heartbeat: time.Minute},
		document: documents.Options{QueryTime: time.Minute},
		logger:   slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&s)
	}
	a, err := auth.New(s.auth)
	if err != nil {
		t.Fatal(err)
	}
	if s.engine == nil {
		s.engine = memory.Open(memory.Options{Retain: func(string) eventlog.Retention { return s.retain }})
	}
	log, err := eventlog.Open(s.engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	g := &gateway{broker: broker.New(log, s.broker), log: log, auth: a}
	g.memory = share.NewReserved(s.memory[0], s.memory[1])
	s.realtime.Auth, s.realtime.Broker, s.realtime.Logger = a, g.broker, s.logger
	g.traffic = traffic.New(traffic.NewMetrics(registry, g.broker, g.memory), s.limits, g.memory)
	s.realtime.Traffic = g.traffic
	if g.databases, err = streams.Open(log); err != nil {
		t.Fatal(err)
	}
	if g.accounts, err = account.Open(log, passwords.Cheap()); err != nil {
		t.Fatal(err)
	}
	if s.document.Answers == nil {
		s.document.Answers = documents.NewAnswers(16<<20, 32<<20)
	}
	if g.documents, err = documents.Open(context.Background(), log, s.document); err != nil {
		t.Fatal(err)
	}
	s.realtime.Databases = g.databases
	g.trail = audit.New(g.broker, s.realtime.Logger)
	administrator := auth.NewAdministrator(adminKey)
	if g.realtime, err = realtime.New(s.realtime); err != nil {
		t.Fatal(err)
	}
	g.persistr, err = persistr.New(persistr.Options{
		Answers: s.document.Answers, Auth: a, Accounts: g.accounts, Catalog: g.databases, Broker: g.broker, Traffic: g.traffic, Logger: s.realtime.Logger, Admin: administrator,
		PingInterval: s.realtime.PingInterval, WriteTimeout: s.realtime.WriteTimeout, ReadTimeout: s.realtime.ReadTimeout,
		MaxBody: s.realtime.MaxBody, MaxEvent: s.realtime.MaxEvent, Shards: s.realtime.Shards, TrustedProxies: s.proxies,
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.rooms, err = driftdb.New(driftdb.Options{
		Auth: a, Broker: g.broker, Traffic: g.traffic, Logger: s.realtime.Logger, Create: s.create, Retention: s.rooms, Unused: s.unused,
		Bound: eventlog.Bound{Bytes: 1 << 20, Keys: 100}, Limits: s.room, PingInterval: s.realtime.PingInterval, WriteTimeout: s.realtime.WriteTimeout,
		ReadTimeout: s.realtime.ReadTimeout, MaxBody: s.realtime.MaxBody, Shards: s.realtime.Shards, TrustedProxies: s.proxies,
	}); err != nil {
		t.Fatal(err)
	}
	s.directus.Auth, s.directus.Documents, s.directus.Broker, s.directus.Traffic, s.directus.Logger = a, g.documents, g.broker, g.traffic, s.realtime.Logger
	s.directus.Trail = g.trail
	s.directus.ReadTimeout, s.directus.MaxBody = s.realtime.ReadTimeout, s.realtime.MaxBody
	if err := a.UseStore(log); err != nil {
		t.Fatal(err)
	}
	a.UseTokenSecret("a secret of at least 32 bytes, for tests")
	g.admin = admin.New(admin.Options{
		Admin: administrator, Auth: a, History: g.realtime.History, Broker: g.broker, Traffic: g.traffic, Version: "test", ReadTimeout: s.realtime.ReadTimeout,
		MaxBody: s.realtime.MaxBody, Backup: func() (string, error) { return "", eventlog.ErrNoBackup },
		RSS: func() uint64 { return 1 },
	})
	documents := restdb.New(restdb.Options{
		Auth: a, Documents: g.documents, Traffic: g.traffic, ReadTimeout: s.realtime.ReadTimeout, MaxBody: s.realtime.MaxBody,
	})
	handler := handlers.New(handlers.Options{
		Realtime: g.realtime, Persistr: g.persistr, Driftdb: g.rooms, Restdb: documents, Directus: directus.New(s.directus), Admin: g.admin, Traffic: g.traffic, Logger: s.logger, Metrics: registry, CORSOrigins: s.cors, Ready: log.Err, KeysReady: a.KeysReady, Trail: g.trail, Administrator: administrator,
	})
	g.Server = httptest.NewUnstartedServer(handler)
	if s.listener != nil {
		g.Listener = s.listener(g.Listener)
	}
	g.Listener = &handlers.Listener{Listener: g.Listener, Timeout: s.realtime.WriteTimeout, Memory: g.memory}
	g.Config.ConnContext, g.Config.ConnState, g.Config.HTTP2 = handlers.ConnContext, handlers.NewHeads(2048).State, &handlers.HTTP2
	g.Config.MaxHeaderBytes = 128 << 10
	if g.EnableHTTP2 = s.tls; s.tls {
		g.StartTLS()
	} else {
		g.Start()
	}
	t.Cleanup(func() { g.stop(t) })
	return g
}

// stop ends the gateway and its log, for tests that open the folder again.
func (g *gateway) stop(t testing.TB) {
	g.stopped.Do(func() {
		g.CloseClientConnections()
		g.Client().CloseIdleConnections()
		g.Close()
		if err := errors.Join(g.rooms.Close(), g.persistr.Close(), g.admin.Close(), g.realtime.Close(), g.trail.Close(), g.log.Close(), g.auth.Close()); err != nil {
			t.Error(err)
		}
		g.nothingHeld(t)
		// The test holds on to g until it ends; a model that opens hundreds must not hold all they had.
		g.Server, g.realtime, g.broker, g.log, g.auth, g.traffic, g.databases, g.documents, g.accounts = nil, nil, nil, nil, nil, nil, nil, nil, nil
		g.rooms, g.admin, g.trail, g.memory = nil, nil, nil, nil
	})
}

// nothingHeld wants all that connections and requests held to be given back soon after they are gone.
func (g *gateway) nothingHeld(t testing.TB) {
	deadline := time.Now().Add(10 * time.Second)
	for g.memory.Held() != 0 || g.traffic.Streams() != 0 {
		if time.Now().After(deadline) {
			t.Errorf("%d bytes and the places of %d connections are not given back", g.memory.Held(), g.traffic.Streams())
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// scenario is a request and what must come back: it reads as the contract's table.
type scenario struct {
	name    string
	method  string // POST where there is a body, else GET
	path    string // /realtime
	key     string // keyAll; "-" sends none
	headers map[string]string
	body    string

	status  int
	has     []string // in the body
	hasNot  []string
	answers map[string]string // headers
}

func (sc *scenario) run(t *testing.T, g *gateway) {
	t.Helper()
	method, path, key := sc.method, sc.path, sc.key
	if method == "" {
		if method = http.MethodGet; sc.body != "" {
			method = http.MethodPost
		}
	}
	if path == "" || path[0] == '?' {
		path = "/realtime" + path
	}
	if key == "" {
		key = keyAll
	}
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(sc.body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "-" {
		r.Header.Set("x-apikey", key)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, v := range sc.headers {
		if r.Header.Set(name, v); v == "" {
			r.Header.Del(name)
		}
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != sc.status {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		t.Fatalf("%s: status %d, want %d: %s", sc.name, answer.StatusCode, sc.status, text)
	}
	for name, want := range sc.answers {
		if got := strings.Join(answer.Header.Values(name), ","); got != want && (want != "*any*" || got == "") {
			t.Errorf("%s: %s is %q, want %q", sc.name, name, got, want)
		}
	}
	if sc.has == nil && sc.hasNot == nil {
		return
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range sc.has {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: %q is not in %s", sc.name, want, text)
		}
	}
	for _, not := range sc.hasNot {
		if strings.Contains(string(text), not) {
			t.Errorf("%s: %q is in %s", sc.name, not, text)
		}
	}
}

func runAll(t *testing.T, g *gateway, scenarios []scenario) {
	t.Helper()
	for i := range scenarios {
		scenarios[i].run(t, g)
	}
}

// raw writes bytes to a connection of its own and gives what comes back within the time.
func raw(t *testing.T, g *gateway, request string, wait time.Duration) string {
	t.Helper()
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(c)
	return string(text)
}
