package handlers_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/eventlog"
	"sluice/broker/eventlog/memory"
	"sluice/handlers"
	"sluice/handlers/realtime"
	"sluice/handlers/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Keys of the tests, by what they may do.
const (
	keyAll     = "key-all-0123456789"
	keyNone    = "key-none-0123456789"
	keyPut     = "key-put-0123456789"
	keyOrigin  = "key-origin-0123456789"
	keyRate    = "key-rate-0123456789"
	keyPublish = "key-publish-0123456789"
	keyExpired = "key-expired-0123456789"
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
}

type setup struct {
	auth     auth.Options
	realtime realtime.Options
	cors     []string
	tls      bool
	retain   eventlog.Retention
	broker   broker.Options
	limits   traffic.Limits
}

func newGateway(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	s := setup{
		auth:     auth.Options{APIKeys: testKeys, QueryCredentials: true},
		realtime: realtime.Options{PingInterval: time.Minute, WriteTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, MaxBody: 1 << 20, MaxEvent: 64 << 10},
		cors:     []string{"*"},
		broker:   broker.Options{RetryEvent: 10 * time.Second},
	}
	for _, f := range change {
		f(&s)
	}
	a, err := auth.New(s.auth)
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(memory.Open(memory.Options{Retain: func(string) eventlog.Retention { return s.retain }}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	g := &gateway{broker: broker.New(log, s.broker), log: log}
	s.realtime.Auth, s.realtime.Broker, s.realtime.Logger = a, g.broker, slog.New(slog.DiscardHandler)
	g.traffic = traffic.New(traffic.NewMetrics(registry, g.broker), s.limits)
	s.realtime.Traffic = g.traffic
	if g.realtime, err = realtime.New(s.realtime); err != nil {
		t.Fatal(err)
	}
	handler := handlers.New(handlers.Options{
		Realtime: g.realtime, Traffic: g.traffic, Logger: slog.New(slog.DiscardHandler), Metrics: registry, CORSOrigins: s.cors, Ready: log.Err,
	})
	g.Server = httptest.NewUnstartedServer(handler)
	g.Listener = &handlers.Listener{Listener: g.Listener, Timeout: s.realtime.WriteTimeout}
	if g.EnableHTTP2 = s.tls; s.tls {
		g.StartTLS()
	} else {
		g.Start()
	}
	t.Cleanup(func() {
		g.CloseClientConnections()
		g.Client().CloseIdleConnections()
		g.Close()
		if err := g.realtime.Close(); err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
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
