// Package gatewaytest starts whole gateways for tests, as the command line does, and has what tests of several doors share.
package gatewaytest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"sluice/config"
	"sluice/gateway"
)

// Setup is what a test may change before its gateway starts: the settings, and more.
type Setup struct {
	config.Config
	gateway.Options
	TLS            bool         // over HTTPS and HTTP/2, with a certificate that Client trusts
	NoHTTP2        bool         // with TLS: HTTP/1.1 only
	NoWriteTimeout bool         // no client is cut off for reading an answer slowly
	Listener       net.Listener // instead of one on a port that the system chooses
}

// Gateway is a whole gateway over the memory engine, on a real listener.
type Gateway struct {
	*httptest.Server
	*gateway.Gateway
	stopped sync.Once
}

// Start starts a gateway, which ends with the test.
func Start(t testing.TB, change ...func(*Setup)) *Gateway {
	t.Helper()
	s := Setup{Config: settings(t), Options: gateway.Options{CheapPasswords: true, Version: "test"}}
	for _, f := range change {
		f(&s)
	}
	whole, err := gateway.New(&s.Config, s.Options)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{Gateway: whole}
	t.Cleanup(func() { g.Stop(t) })
	listener := s.Listener
	if listener == nil {
		if listener, err = net.Listen("tcp", s.Addr); err != nil {
			t.Fatal(err)
		}
	}
	g.Server = &httptest.Server{Listener: whole.Guard(listener), Config: whole.Server(), EnableHTTP2: s.TLS && !s.NoHTTP2}
	if s.NoWriteTimeout {
		g.Config.ConnContext = nil
	}
	if s.TLS {
		g.StartTLS()
	} else {
		g.Server.Start()
	}
	if pipes, ok := listener.(*Pipes); ok {
		g.Client().Transport.(*http.Transport).DialContext = pipes.Dial
	}
	return g
}

// settings are the defaults, except where tests need others.
func settings(t testing.TB) config.Config {
	t.Helper()
	c, err := config.Load([]string{
		"ADDR=127.0.0.1:0", "DATA_DIR=memory", "API_KEYS=" + Keys, "ADMIN_KEY=" + AdminKey, "TOKEN_SECRET=a secret of at least 32 bytes, for tests",
		"PING_INTERVAL=1m", "WRITE_TIMEOUT=5s", "READ_TIMEOUT=5s", "QUERY_TIME=1m",
		"ROOM_CREATE=open", "ROOM_RETENTION=1h", "ROOM_UNUSED=1h", "MAX_ROOMS=10000", "MAX_ROOM_BYTES=1MiB", "MAX_ROOM_KEYS=100", "MAX_ROOM_CONNECTIONS=100",
		"ROOM_CREATE_RATE=1000000", "ROOM_CREATE_RATE_ALL=1000000", "ROOM_CREATE_RATE_KEY=1000000", "ROOM_FLOOD_TIMEOUT=1m",
		"WEBSOCKET_AUTH_TIMEOUT=5s", "WEBSOCKET_HEARTBEAT=1m",
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return *c
}

// Stop ends the gateway and its log, for tests that open the engine again.
func (g *Gateway) Stop(t testing.TB) {
	g.stopped.Do(func() {
		if g.Server != nil {
			g.CloseClientConnections()
			g.Client().CloseIdleConnections()
			g.Server.Close()
		}
		g.Gateway.Close()
		g.CheckReleased(t)
		// The test refers to g until it ends. A model that opens hundreds of gateways must not retain the memory of all.
		g.Server, g.Gateway = nil, nil
	})
}

// CheckReleased fails the test if memory or places of connections are still in use well after the connections are gone.
func (g *Gateway) CheckReleased(t testing.TB) {
	deadline := time.Now().Add(10 * time.Second)
	for g.Memory.Held() != 0 || g.Traffic.Streams() != 0 {
		if time.Now().After(deadline) {
			t.Errorf("%d bytes and the places of %d connections are not given back", g.Memory.Held(), g.Traffic.Streams())
			return
		}
		time.Sleep(time.Millisecond)
	}
}
