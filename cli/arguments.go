package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sluice/config/spelling"
)

// olderArgument is the annotation with an argument that the help does not show any more, and that still works.
const olderArgument = "older argument"

// olderGateway is the address as an argument, which some commands took before all had --url.
var olderGateway = map[string]string{olderArgument: "[GATEWAY]"}

// checkArguments compares a command's arguments with its line of use: NAME is required, [NAME] is not, and [NAME...] stands
// for any number.
func checkArguments(cmd *cobra.Command, args []string) error {
	if cmd.HasAvailableSubCommands() {
		return checkCommand(cmd, args)
	}
	names := strings.Fields(cmd.Use + " " + cmd.Annotations[olderArgument])[1:]
	if len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...]") {
		return nil
	}
	if len(args) > len(names) {
		return usageError{fmt.Errorf("unexpected argument %s", args[len(names)])}
	}
	for _, name := range names[len(args):] {
		if !strings.HasPrefix(name, "[") {
			return usageError{fmt.Errorf("the argument %s is missing", name)}
		}
	}
	return nil
}

// checkCommand reports an argument that should have been the name of a command.
func checkCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 || !cmd.HasAvailableSubCommands() {
		return nil
	}
	return usageError{fmt.Errorf("unknown command %s%s", args[0], didYouMean(args[0], "", commandNames(cmd)))}
}

// missingCommand is the error of a command that only has others below it.
func missingCommand(cmd *cobra.Command) error {
	names := commandNames(cmd)
	if len(names) == 1 {
		return usageError{fmt.Errorf("a command is missing: %s", names[0])}
	}
	return usageError{errors.New("a command is missing: one of " + strings.Join(names, ", "))}
}

func commandNames(cmd *cobra.Command) (names []string) {
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	return names
}

// argument returns the argument at a place, or "".
func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// didYouMean names the known name that is nearest to a misspelt one, as the end of an error. It is empty if none is near.
func didYouMean(name, prefix string, known []string) string {
	best, least := "", max(2, len(name)/3+1) // a third of the letters may be wrong
	for _, k := range known {
		switch n := spelling.Distance(name, k); {
		case n == 0: // after --, names are not looked at
		case n < least, len(name) > 1 && strings.HasPrefix(k, name):
			best, least = k, min(n, least)
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + prefix + best + "?"
}
