package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"sluice/auth/peer"
	"sluice/handlers"
)

// Listen opens the listener of ADDR, and that of METRICS_ADDR if it is set.
func (g *Gateway) Listen() error {
	// Streams have pings, and other connections have IdleTimeout. Without keep-alive, each connection saves four system
	// calls.
	listen := net.ListenConfig{KeepAlive: -1}
	inner, err := listen.Listen(context.Background(), "tcp", g.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listening on ADDR %s: %w; stop what uses it, or set another one, as in ADDR=127.0.0.1:8081", g.cfg.Addr, err)
	}
	if g.cfg.MetricsAddr != "" {
		if g.metricsListener, err = net.Listen("tcp", g.cfg.MetricsAddr); err != nil {
			_ = inner.Close() // the first error is the one to report
			return fmt.Errorf("listening on METRICS_ADDR %s: %w; stop what uses it, or set another", g.cfg.MetricsAddr, err)
		}
	}
	g.listener = g.Guard(inner)
	return nil
}

// Guard watches the connections of a listener: those that take no byte, the heads that arrive, and the number of
// descriptors.
func (g *Gateway) Guard(inner net.Listener) net.Listener {
	return &handlers.Listener{Listener: inner, Timeout: g.cfg.WriteTimeout, Memory: g.Memory, Descriptors: g.descriptors}
}

// BaseURL returns the URL of the gateway: ADDR as set, but with the actual port if ADDR has port 0.
func (g *Gateway) BaseURL() string {
	scheme := "http"
	if g.certificates != nil {
		scheme = "https"
	}
	address := g.cfg.Addr
	if host, port, err := net.SplitHostPort(address); err == nil {
		if actual, ok := g.listener.Addr().(*net.TCPAddr); ok && port == "0" {
			port = fmt.Sprint(actual.Port)
		}
		address = net.JoinHostPort(host, port)
	}
	return scheme + "://" + address
}

// maxHeader bounds a request head: 100 patterns of 257 bytes percent-encoded, and a token of 8 KiB.
const maxHeader = 128 << 10

// Server makes the server of the doors. Serve it on a listener from Guard only.
func (g *Gateway) Server() *http.Server {
	return &http.Server{
		Handler:           g.handler,
		ReadHeaderTimeout: g.cfg.ReadHeaderTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ConnState:         handlers.NewHeads(int(g.budgets.heads)).State,
		ConnContext:       handlers.ConnContext,
		HTTP2:             &handlers.HTTP2,
		ErrorLog:          slog.NewLogLogger(g.o.Logger.Handler(), slog.LevelDebug),
	}
}

// Serve runs on the listeners of Listen until ctx ends, the log fails or a listener fails. If ctx ends, it drains
// first. When it returns, no request is taken any more, since Close closes what they need.
func (g *Gateway) Serve(ctx context.Context) error {
	server := g.Server()
	failed := make(chan error, 2)
	g.group.Go(func() {
		if g.certificates != nil {
			server.TLSConfig = g.certificates.config()
			failed <- server.ServeTLS(g.listener, "", "")
			return
		}
		failed <- server.Serve(g.listener)
	})
	metrics := g.serveMetrics(failed)
	quiet, stop := context.WithCancel(ctx)
	defer stop()
	g.group.Go(func() { returnMemory(quiet, g.Broker.Count) })
	if g.clustered() {
		g.group.Go(func() { g.watchBehind(quiet) })
		g.group.Go(func() { g.compareStates(quiet) })
		g.group.Go(func() { g.levels.keep(quiet) })
	}
	var err error
	select {
	case cause := <-failed:
		err = fmt.Errorf("serving: %w", cause)
	case <-g.failed.Done():
		err = fmt.Errorf("the log failed for good; start the gateway again when the cause is repaired: %w", context.Cause(g.failed))
	case <-ctx.Done():
		g.drain(server)
	}
	stop()
	g.closeServers(server, metrics)
	g.group.Wait()
	g.o.Logger.Info("stopped")
	return err
}

// closeServers closes the connections that are left.
func (g *Gateway) closeServers(servers ...*http.Server) {
	for _, s := range servers {
		if s == nil {
			continue
		}
		if err := s.Close(); err != nil {
			g.o.Logger.Debug("closing", "cause", err)
		}
	}
}

func (g *Gateway) serveMetrics(failed chan<- error) *http.Server {
	if g.metricsListener == nil {
		return nil
	}
	server := &http.Server{Handler: handlers.MetricsServer(g.Registry, peer.LoopbackAddr(g.cfg.MetricsAddr)), ReadHeaderTimeout: g.cfg.ReadHeaderTimeout, ReadTimeout: g.cfg.ReadHeaderTimeout + g.cfg.ReadTimeout}
	g.group.Go(func() { failed <- server.Serve(g.metricsListener) })
	return server
}

// drain ends the gateway in the contract's order: refuse new requests, end streams with a last frame, let running
// publishes finish, close the listener. It takes DRAIN_TIMEOUT at most.
func (g *Gateway) drain(server *http.Server) {
	g.o.Logger.Info("draining", "connections", g.Broker.Count(), "timeout", g.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainTimeout)
	defer cancel()
	err := g.Traffic.Drain(ctx, g.Broker)
	if err == nil {
		err = server.Shutdown(ctx)
	}
	if err != nil {
		g.o.Logger.Warn("draining took longer than DRAIN_TIMEOUT; closing the remaining connections", "cause", err)
	}
}
