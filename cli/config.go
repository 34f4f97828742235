package cli

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/gateway"
)

// Config prints the settings in use.
type Config struct{}

func configCommand(std *Streams) *cobra.Command {
	c := &Config{}
	return &cobra.Command{
		Use:     "config",
		Short:   "Print the settings in use, with secrets masked.",
		Example: "  PING_INTERVAL=5s sluice config",
		Long:    "Each line is a setting, its value, and where it comes from (default, environment or .env), and the memory limit that a default was lowered for.",
		Args:    checkArguments,
		RunE:    func(*cobra.Command, []string) error { return c.Run(std) },
	}
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

func versionCommand(std *Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version.",
		Args:  checkArguments,
		RunE:  func(*cobra.Command, []string) error { return printVersion(std.Out) },
	}
}

func printVersion(w io.Writer) error {
	_, err := fmt.Fprintln(w, "sluice", version())
	return err
}

// version returns the version from the build information.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version + " " + info.GoVersion
	}
	return "unknown"
}
