package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/config"
)

// Health asks a gateway if it is well. It is for containers without a shell and curl.
type Health struct {
	gatewayURL
	Ready   bool
	Timeout time.Duration
}

func healthCommand(std *Streams) *cobra.Command {
	c := &Health{}
	cmd := &cobra.Command{
		Use:     "health",
		Short:   "Ask a gateway if it is well.",
		Example: "  HEALTHCHECK CMD [\"/usr/local/bin/sluice\", \"health\"]",
		Long:    "The exit code is 0 if the gateway is well, else 1. Without --url and SLUICE_URL the command asks at ADDR of the settings, on this machine.",
		Args:    checkArguments,
		RunE:    func(*cobra.Command, []string) error { return c.Run(std) },
	}
	addFlags(cmd.Flags(), "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&c.Ready, "ready", false, "Ask if it can serve now (/readyz), not only if it is alive (/healthz).")
		f.DurationVar(&c.Timeout, "timeout", 3*time.Second, "Wait this `DURATION` for the answer.")
	})
	addFlags(cmd.Flags(), "Gateway", c.gatewayURL.flags)
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run asks, and fails if the answer is not 200.
func (c *Health) Run(std *Streams) error {
	transport := &http.Transport{}
	base, err := c.base("")
	if c.URL == "" {
		base, transport.TLSClientConfig, err = ownAddress()
	}
	if err != nil {
		return err
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return usageError{err}
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return unreachable{fmt.Errorf("the gateway does not answer: %w; start one with sluice, or give its address by --url or SLUICE_URL", err)}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answered %s: %s", base, path, answer.Status, strings.TrimSpace(string(text)))
	}
	return std.result(map[string]any{"ok": true, "url": base + path}, "ok\n")
}

// ownAddress returns the address at which this machine reaches a gateway with the settings of this environment. The
// certificate is not checked: it is for the name that clients use, and the request contains no secret.
func ownAddress() (string, *tls.Config, error) {
	cfg, err := config.Load(os.Environ(), ".env")
	var faults config.Faults
	if errors.As(err, &faults) {
		for _, f := range faults { // the gateway itself reports all other faults
			if f.Name == "ADDR" {
				return "", nil, usageError{config.Faults{f}}
			}
		}
	}
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return "", nil, usageError{fmt.Errorf("ADDR: %w", err)}
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if err == nil && ip.Is6() {
			host = "::1"
		}
	}
	if cfg.TLSCertFile == "" {
		return "http://" + net.JoinHostPort(host, port), nil, nil
	}
	return "https://" + net.JoinHostPort(host, port), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, nil
}
