package cli

import (
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func init() {
	cobra.EnableCommandSorting = false // the help lists commands in our order
	cobra.MousetrapHelpText = ""       // on Windows, a double click starts a gateway
}

// Groups of commands in the help.
const (
	groupGateway = "gateway"
	groupClients = "clients"
	groupCluster = "cluster"
	groupShell   = "shell"
)

// Commands returns the whole command line, for those who write about it.
func Commands() *cobra.Command {
	return rootCommand(&Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard})
}

// rootCommand returns the whole command line. Without the name of a command, it is serve.
func rootCommand(std *Streams) *cobra.Command {
	serve := &Serve{}
	root := &cobra.Command{
		Use:   "sluice",
		Short: "A Server-Sent Events pub/sub gateway: servers POST events, browsers and programs receive them, and no event is lost without a notice.",
		Long:  "Without a command, sluice runs the gateway, as sluice serve does.",
		Args:  checkArguments,
		RunE:  func(*cobra.Command, []string) error { return serve.Run(std) },

		SilenceErrors: true, // Main prints them
		SilenceUsage:  true,
		// completionCommand takes the place of cobra's own command, whose help has another form.
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	serve.flags(root.Flags())
	addFlags(root.PersistentFlags(), "General", func(f *pflag.FlagSet) {
		f.BoolP("help", "h", false, "Print this help.")
		f.BoolFunc("version", "Print the version.", func(string) error { return errVersion })
	})
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(
		&cobra.Group{ID: groupGateway, Title: "Run a gateway"},
		&cobra.Group{ID: groupClients, Title: "Use a gateway"},
		&cobra.Group{ID: groupCluster, Title: "Run several gateways as one"},
		&cobra.Group{ID: groupShell, Title: "Use the command line"},
	)
	addCommands(root, groupGateway, serveCommand(std), configCommand(std), healthCommand(std), backupCommand(std), logCommand(std), versionCommand(std))
	addCommands(root, groupClients, publishCommand(std), tailCommand(std), topCommand(std), subscribeCommand(std), tokenCommand(std), userCommand(std), benchCommand(std))
	addCommands(root, groupCluster, clusterCommand(std))
	addCommands(root, groupShell, completionCommand(std))
	completeFlags(root)
	return root
}

func addCommands(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// errVersion ends the reading of the arguments at --version, as --help does: what else they have does not matter.
var errVersion = errors.New("the version is wanted")

// parent returns a command that only has others below it.
func parent(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.Args = checkArguments
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return missingCommand(cmd) }
	cmd.AddCommand(below...)
	return cmd
}
