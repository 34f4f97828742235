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
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/config"
	"sluice/gateway"
)

// Serve runs the gateway until SIGTERM or SIGINT.
type Serve struct {
	Addr string
}

func serveCommand(std *Streams) *cobra.Command {
	c := &Serve{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway (what sluice alone does). Settings come from the environment and .env; see sluice config.",
		Args:  checkArguments,
		RunE:  func(*cobra.Command, []string) error { return c.Run(std) },
	}
	c.flags(cmd.Flags())
	return cmd
}

// flags adds the flags of serve. The command without a name has them too.
func (c *Serve) flags(f *pflag.FlagSet) {
	addFlags(f, "Gateway", func(f *pflag.FlagSet) {
		f.StringVar(&c.Addr, "addr", "", "Listen at `HOST:PORT`; it overrides ADDR of the settings.")
	})
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
	g, err := gateway.New(cfg, gateway.Options{Logger: logger, Memory: memory, Version: version(), Stop: ctx})
	if err != nil && ctx.Err() != nil {
		logger.Info("the gateway was stopped while it started")
		return nil
	}
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
	greet(std.Out, g)
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
