package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/auth/user"
	"sluice/config"
)

// shells are the shells that the command line can be completed in.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func completionCommand(std *Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script with which a shell completes the command line.",
		Example: "  source <(sluice completion bash)                                       # for this shell\n" +
			"  sluice completion bash > /usr/share/bash-completion/completions/sluice  # for all, also without root in\n" +
			"                                                                          # ~/.local/share/bash-completion/completions\n" +
			"  sluice completion zsh > \"${fpath[1]}/_sluice\"\n" +
			"  sluice completion fish > ~/.config/fish/completions/sluice.fish",
		Long: "SHELL is bash, zsh, fish or powershell.\n\nThe Tab key then completes commands, flags, and values: events' names, settings, files, and with ADMIN_KEY the emails of users. " +
			"In bash, the package bash-completion must be installed. A shell that is open reads a new script when it starts the next time.",
		Args:              checkArguments,
		ValidArgsFunction: completeWords(shells...),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				if err := root.GenBashCompletionV2(std.Out, true); err != nil {
					return err
				}
				_, err := io.WriteString(std.Out, bashNeeds)
				return err
			case "zsh":
				return root.GenZshCompletion(std.Out)
			case "fish":
				return root.GenFishCompletion(std.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(std.Out)
			}
			return usageError{fmt.Errorf("there is no completion for %s; use one of %s", args[0], strings.Join(shells, ", "))}
		},
	}
}

// bashNeeds is the end of the script for bash. The functions of bash-completion that the script calls are missing at the first
// Tab only, with an error that does not name the package: so the script looks for them when it is read.
const bashNeeds = `
if ! declare -F _init_completion >/dev/null 2>&1 && ! declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
    echo "sluice: the Tab key needs the package bash-completion, which this shell has not loaded: install it, and start a new shell" >&2
fi
`

// completeWords completes an argument or a value that is one of a few words.
func completeWords(words ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeNothing is for values that only the user knows.
func completeNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeFolders completes the argument of commands for a stopped gateway.
func completeFolders(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// methods are the names of the method events.
var methods = []string{"post", "put", "patch", "delete"}

// completeEvent completes the name of an event. Custom names are only the user's.
func completeEvent(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return []string{"-\tread the data from standard input"}, cobra.ShellCompDirectiveNoFileComp
	}
	return methods, cobra.ShellCompDirectiveNoFileComp
}

// completeChannels completes the beginning of a channel, also behind the comma of a list.
func completeChannels(_ *cobra.Command, _ []string, text string) (found []string, _ cobra.ShellCompDirective) {
	before := text[:strings.LastIndex(text, ",")+1]
	for _, method := range methods {
		found = append(found, before+strings.ToUpper(method)+":")
	}
	return append(found, before+"*:"), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeSettings completes names of settings, with what each is for.
func completeSettings(_ *cobra.Command, args []string, _ string) (found []string, _ cobra.ShellCompDirective) {
	cfg, err := config.Load(nil, "") // the defaults
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, s := range cfg.Effective() {
		if !slices.Contains(args, s.Name) {
			found = append(found, s.Name+"\t"+s.Doc)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completionTimeout bounds the wait for a gateway, while somebody waits at the Tab key.
const completionTimeout = time.Second

// completeEmails completes the email of a user, if a gateway and ADMIN_KEY are at hand.
func (a *userAccess) completeEmails(_ *cobra.Command, args []string, text string) (found []string, _ cobra.ShellCompDirective) {
	key, err := a.credential()
	base, failed := a.base("")
	if len(args) > 0 || err != nil || failed != nil || key == "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var users []user.User
	if err := a.adminAPI.call(base, http.MethodGet, "/admin/users?limit=1000", nil, &users, completionTimeout); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, u := range users {
		found = append(found, oneLine(u.Email))
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// flagValues are the functions that complete flags' values, by the flag's name. A flag of a path has no function: the shell
// completes files. Of all others, only the user knows the value.
var flagValues = map[string]cobra.CompletionFunc{
	"channels": completeChannels,
	"sub":      completeChannels,
	"pub":      completeChannels,
	"rest":     completeChannels,
	"color":    completeWords(colorWords...),
	"from":     completeWords("earliest", "now"),
	"since":    completeWords("earliest", "10m", "1h", "24h"),
	"until":    completeWords("caught-up"),
	"method":   completeWords("GET", "POST", "PUT", "PATCH", "DELETE"),
	"sort":     completeWords(sortNames...),
	"url":      completeAddress,
}

// completeAddress offers the address in use.
func completeAddress(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	found := []string{defaultURL}
	if url := os.Getenv("SLUICE_URL"); url != "" && url != defaultURL {
		found = append(found, url)
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// describeFlags takes the marks off the texts of flags. In them, the value's name is in backticks, which the help and the manual
// read; a shell shows the texts as they are.
func describeFlags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) { _, flag.Usage = pflag.UnquoteUsage(flag) })
	for _, below := range cmd.Commands() {
		describeFlags(below)
	}
}

// completeFlags tells cobra how to complete the values of all flags of a command and those below.
func completeFlags(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		complete := flagValues[flag.Name]
		if kind, _ := pflag.UnquoteUsage(flag); complete == nil && kind != "" && kind != "FILE" {
			complete = completeNothing
		}
		if complete != nil {
			if err := cmd.RegisterFlagCompletionFunc(flag.Name, complete); err != nil {
				panic(err) // a flag has two functions, in our own table
			}
		}
	})
	for _, below := range cmd.Commands() {
		completeFlags(below)
	}
}
