package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/config"
	"sluice/gateway"
)

// Serve runs the gateway until SIGTERM or SIGINT.
type Serve struct {
	Addr string `placeholder:"HOST:PORT" help:"Listen address; it overrides ADDR of the settings."`
}

// settings reads the settings; --addr overrides ADDR.
func (c *Serve) settings(memory gateway.MemoryLimit) (*config.Config, error) {
	environ := os.Environ()
	if c.Addr != "" {
		environ = append(environ, "ADDR="+c.Addr)
	}
	return config.LoadWithin(memory.Bytes, environ, ".env")
}

// Run reads the settings, builds the gateway, and runs it until it ends.
func (c *Serve) Run(std *Streams) error {
	memory := gateway.FindMemoryLimit()
	cfg, err := c.settings(memory)
	if err != nil {
		return usageError{gateway.WithKeyFaults(cfg, err)}
	}
	logs := std.queue()
	logger := newLogger(cfg, logs)
	logs.report = func(dropped uint64) {
		logger.Warn("lines of this log were dropped: its reader is too slow", "count", dropped)
	}
	if unknown := cfg.Unknown(); len(unknown) > 0 {
		logger.Warn(".env has names that are not settings of the gateway", "names", strings.Join(unknown[:min(len(unknown), maxNames)], ","), "count", len(unknown))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	memory.Apply(logger, cfg)
	g, err := gateway.New(cfg, gateway.Options{Logger: logger, Memory: memory, Version: version()})
	if err != nil {
		if errors.As(err, new(*gateway.SettingsError)) {
			return usageError{err}
		}
		return err
	}
	defer g.Close()
	g.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "sluice_log_lines_dropped_total", Help: "Lines of the gateway's own log that could not be written: its reader was too slow, or had closed it."},
		func() float64 { return float64(logs.dropped.Load()) }))
	if err := g.Listen(); err != nil {
		return err
	}
	greet(std.Out, g.FirstKey, g.BaseURL())
	defer onHangup(g.Reload)()
	memory.Started()
	return g.Serve(ctx)
}

// maxNames bounds the names in a line of the log.
const maxNames = 50

// onHangup calls f for each SIGHUP until stop is called.
func onHangup(f func()) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangups {
			f()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// newLogger makes the logger. No line ever contains a credential.
func newLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
