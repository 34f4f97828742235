package cli

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/config"
	"sluice/gateway"
)

// Config prints the settings in use.
type Config struct {
	Names []string // only these; none stands for all
}

func configCommand(std *Streams) *cobra.Command {
	c := &Config{}
	cmd := &cobra.Command{
		Use:     "config [NAME...]",
		Short:   "Print the settings in use, with secrets masked.",
		Example: "  PING_INTERVAL=5s sluice config",
		Long:    "NAME is a setting to print; without one, all are printed.\n\nEach line is a setting, its value, and where it comes from (default, environment or .env), and the memory limit that a default was lowered for.",
		Args:    checkArguments,
		RunE: func(_ *cobra.Command, args []string) error {
			c.Names = args
			return c.Run(std)
		},
		ValidArgsFunction: completeSettings,
	}
	std.jsonFlag(cmd.Flags())
	return cmd
}

// Run prints a table.
func (c *Config) Run(std *Streams) error {
	cfg, err := config.LoadWithin(gateway.FindMemoryLimit().Bytes, os.Environ(), ".env")
	if err != nil {
		return usageError{err}
	}
	settings, err := chosen(cfg.Effective(), c.Names)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(std.Out, 0, 4, 2, ' ', 0)
	for _, s := range settings {
		if std.JSON {
			if err := printLine(std.Out, setting{s.Name, s.Value, s.Source}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t(%s)\n", s.Name, s.Value, s.Source)
	}
	return w.Flush()
}

// setting is a setting as --json prints it.
type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// chosen returns the settings with these names, in upper or lower case; all of them if there is no name.
func chosen(all []config.Setting, names []string) (found []config.Setting, err error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, s := range all {
		known = append(known, s.Name)
	}
	for _, name := range names {
		i := slices.Index(known, strings.ToUpper(name))
		if i < 0 {
			return nil, usageError{fmt.Errorf("there is no setting %s%s", name, didYouMean(strings.ToUpper(name), "", known))}
		}
		found = append(found, all[i])
	}
	return found, nil
}

func versionCommand(std *Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version.",
		Args:  checkArguments,
		RunE:  func(*cobra.Command, []string) error { return printVersion(std) },
	}
	std.jsonFlag(cmd.Flags())
	return cmd
}

func printVersion(std *Streams) error {
	number, compiler, _ := strings.Cut(version(), " ")
	return std.result(struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{number, compiler}, "sluice "+version()+"\n")
}

// version returns the version from the build information.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version + " " + info.GoVersion
	}
	return "unknown"
}
