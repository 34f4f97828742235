package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/config"
	"sluice/handlers"
)

// Serve runs the gateway until SIGTERM or SIGINT.
type Serve struct {
	Addr string `placeholder:"HOST:PORT" help:"Listen address; it wins over ADDR of the settings."`
}

// settings reads the settings; --addr stands in front of them.
func (c *Serve) settings(memory memoryLimit) (*config.Config, error) {
	environ := os.Environ()
	if c.Addr != "" {
		environ = append(environ, "ADDR="+c.Addr)
	}
	return config.LoadWithin(memory.bytes, environ, ".env")
}

// Run is the life of the gateway: settings, log, auth, broker, handlers, listener; and back.
func (c *Serve) Run(std *Streams) error {
	memory := findMemoryLimit()
	cfg, err := c.settings(memory)
	if err != nil {
		return usageError{withKeyFaults(cfg, err)}
	}
	logs := std.queue()
	logger := newLogger(cfg, logs)
	logs.tell = func(dropped uint64) {
		logger.Warn("lines of the log were dropped: nobody read it", "count", dropped)
	}
	if unknown := cfg.Unknown(); len(unknown) > 0 {
		logger.Warn(".env has names that are no settings of the gateway", "names", strings.Join(unknown[:min(len(unknown), mostNames)], ","), "count", len(unknown))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	budgets := newBudgets(memory)
	budgets.tell(logger, cfg)
	g, err := newGateway(cfg, budgets, logger)
	if err != nil {
		return err
	}
	defer g.close()
	g.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sluice_log_lines_dropped_total", Help: "Lines of the gateway's own log that could not be written: nobody read it, or it was closed."},
		func() float64 { return float64(logs.dropped.Load()) }))
	if err := g.listen(); err != nil {
		return err
	}
	g.greet(std.Out)
	return g.serve(ctx)
}

// mostNames bounds the names that a line of the log holds.
const mostNames = 50

// withKeyFaults adds what auth finds in the keys, so that all faults are told at once.
func withKeyFaults(cfg *config.Config, err error) error {
	var faults config.Faults
	if cfg == nil || !errors.As(err, &faults) {
		return err
	}
	a, kerr := auth.New(auth.Options{APIKeys: cfg.APIKeys, APIKeysFile: cfg.APIKeysFile})
	if kerr != nil {
		return append(faults, keyFaults(kerr)...)
	}
	if openToAll(cfg, faults) {
		faults = append(faults, config.Fault{Name: "ADDR", Value: cfg.Addr, Why: errOpenToAll.Error()})
	}
	if cerr := a.Close(); cerr != nil {
		return errors.Join(err, cerr)
	}
	return faults
}

// openToAll reports whether a gateway would be refused for want of a credential, as far as the settings that have no fault
// tell.
func openToAll(cfg *config.Config, faults config.Faults) bool {
	for _, f := range faults {
		for _, name := range []string{".env", "ADDR", "ADMIN_KEY", "API_KEY", "DATA_DIR", "JWT_"} {
			if strings.HasPrefix(f.Name, name) {
				return false
			}
		}
	}
	return withoutCredential(cfg)
}

// keyFaults are auth's errors as the settings' own.
func keyFaults(err error) config.Faults {
	var fault *auth.SettingError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all config.Faults
		for _, e := range joined.Unwrap() {
			all = append(all, keyFaults(e)...)
		}
		return all
	}
	if errors.As(err, &fault) {
		return config.Faults{{Name: fault.Name, Value: "***", Why: fault.Err.Error()}}
	}
	return config.Faults{{Name: "API_KEYS", Value: "***", Why: err.Error()}}
}

// newLogger writes structured lines; none of them ever holds a credential.
func newLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (g *gateway) listen() error {
	// Streams have their pings, and other connections IdleTimeout; four system calls a connection are saved.
	listen := net.ListenConfig{KeepAlive: -1}
	inner, err := listen.Listen(context.Background(), "tcp", g.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listening on ADDR %s: %w; stop what uses it, or set another ADDR", g.cfg.Addr, err)
	}
	g.listener = &handlers.Listener{Listener: inner, Timeout: g.cfg.WriteTimeout, Memory: g.memory, Descriptors: g.descriptors}
	if g.cfg.MetricsAddr == "" {
		return nil
	}
	if g.metricsListener, err = net.Listen("tcp", g.cfg.MetricsAddr); err != nil {
		_ = inner.Close() // the first error is the one to tell
		return fmt.Errorf("listening on METRICS_ADDR %s: %w; stop what uses it, or set another", g.cfg.MetricsAddr, err)
	}
	return nil
}

// maxHeader bounds a request head: 100 patterns of 257 bytes percent-encoded, and a token of 8 KiB.
const maxHeader = 128 << 10

func (g *gateway) newServer() *http.Server {
	return &http.Server{
		Handler:           g.handler,
		ReadHeaderTimeout: g.cfg.ReadHeaderTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader,
		ConnState:         handlers.NewHeads(int(g.budgets.heads)).State,
		ConnContext:       handlers.ConnContext,
		HTTP2:             &handlers.HTTP2,
		ErrorLog:          slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug),
	}
}

// serve runs until ctx ends (a signal), the log dies or a listener fails; then it drains.
func (g *gateway) serve(ctx context.Context) error {
	server := g.newServer()
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
	g.group.Go(func() { handBack(quiet, g.broker.Count) })
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			g.reload()
		case err := <-failed:
			return fmt.Errorf("serving: %w", err)
		case err := <-g.fatal:
			return fmt.Errorf("the log failed for good; start again when the cause is mended: %w", err)
		case <-ctx.Done():
			return g.drain(server, metrics)
		}
	}
}

func (g *gateway) serveMetrics(failed chan<- error) *http.Server {
	if g.metricsListener == nil {
		return nil
	}
	server := &http.Server{Handler: handlers.MetricsServer(g.registry, peer.LoopbackAddr(g.cfg.MetricsAddr)), ReadHeaderTimeout: g.cfg.ReadHeaderTimeout}
	g.group.Go(func() { failed <- server.Serve(g.metricsListener) })
	return server
}

// drain ends in the order of the contract: refuse, end streams with a last frame, let running
// publishes finish, close the listener. It takes DRAIN_TIMEOUT at the most.
func (g *gateway) drain(server, metrics *http.Server) error {
	g.logger.Info("draining", "connections", g.broker.Count(), "timeout", g.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainTimeout)
	defer cancel()
	err := g.traffic.Drain(ctx, g.broker)
	if err == nil {
		err = server.Shutdown(ctx)
	}
	if err != nil {
		g.logger.Warn("draining took longer than DRAIN_TIMEOUT; closing what is left", "cause", err)
		if cerr := server.Close(); cerr != nil {
			g.logger.Debug("closing", "cause", cerr)
		}
	}
	if metrics != nil {
		if cerr := metrics.Close(); cerr != nil {
			g.logger.Debug("closing metrics", "cause", cerr)
		}
	}
	g.group.Wait()
	g.logger.Info("stopped")
	return nil
}

func (g *gateway) reload() {
	g.logger.Info("reloading keys and certificates")
	if err := g.auth.Reload(); err != nil {
		g.logger.Error("reloading keys; the last good ones stay", "cause", err)
	}
	if g.certificates != nil {
		if err := g.certificates.load(); err != nil {
			g.logger.Error("reloading certificates; the last good ones stay", "cause", err)
		}
	}
}

// close undoes newGateway, newest first.
func (g *gateway) close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		if err := g.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			g.logger.Error("closing", "cause", err)
		}
	}
}
