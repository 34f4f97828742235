package cli

import (
	"fmt"
	"os"
	"runtime/debug"
	"text/tabwriter"

	"sluice/config"
	"sluice/gateway"
)

// Config prints the settings in use.
type Config struct{}

// Help is shown by sluice config --help.
func (*Config) Help() string {
	return "Example:\n\n  PING_INTERVAL=5s sluice config\n\nEach line is a setting, its value, and where it comes from (default, environment or .env), and the memory limit that a default was lowered for."
}

// Run prints a table.
func (*Config) Run(std *Streams) error {
	cfg, err := config.LoadWithin(gateway.FindMemoryLimit().Bytes, os.Environ(), ".env")
	if err != nil {
		return usageError{err}
	}
	w := tabwriter.NewWriter(std.Out, 0, 4, 2, ' ', 0)
	for _, s := range cfg.Effective() {
		fmt.Fprintf(w, "%s\t%s\t(%s)\n", s.Name, s.Value, s.Source)
	}
	return w.Flush()
}

// Version prints the version.
type Version struct{}

// Run prints the version from the build information.
func (*Version) Run(std *Streams) error {
	_, err := fmt.Fprintln(std.Out, "sluice", version())
	return err
}

// version returns the version from the build information.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version + " " + info.GoVersion
	}
	return "unknown"
}
