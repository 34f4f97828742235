package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// helpWidth is the width of the help where there is no terminal, and helpMost its most: longer lines are hard to read.
const (
	helpWidth = 80
	helpMost  = 110
)

// printHelp prints the help of a command. Cobra's own help would not wrap lines, nor group flags; with a template, it would
// need text/template, which looks methods up by name: the linker would then keep all methods of all libraries.
func printHelp(cmd *cobra.Command) error {
	if err := checkCommand(cmd, cmd.Flags().Args()); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	w, width := &strings.Builder{}, widthOf(out)
	fmt.Fprintf(w, "Usage: %s\n\n%s", UseLine(cmd), wrap(cmd.Short, 0, width))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExample:\n\n%s\n", cmd.Example)
	}
	if cmd.Long != "" {
		fmt.Fprint(w, "\n", wrap(cmd.Long, 0, width))
	}
	printCommands(w, cmd, width)
	printFlags(w, cmd, width)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nThe help of one command: %s COMMAND --help\n", cmd.CommandPath())
	}
	_, err := io.WriteString(out, w.String())
	return err
}

// UseLine is how a command is called.
func UseLine(cmd *cobra.Command) string {
	line := cmd.CommandPath()
	switch names := strings.Fields(cmd.Use)[1:]; {
	case !cmd.HasParent():
		line += " [COMMAND]"
	case cmd.HasAvailableSubCommands():
		line += " COMMAND"
	default:
		line = strings.Join(append([]string{line}, names...), " ")
	}
	return line + " [FLAG]..."
}

// printCommands prints the commands below cmd that do something, under the headings of their groups.
func printCommands(w io.Writer, cmd *cobra.Command, width int) {
	groups := cmd.Groups()
	if len(groups) == 0 && cmd.HasAvailableSubCommands() {
		groups = []*cobra.Group{{Title: "Commands"}}
	}
	column := 0
	for _, leaf := range leaves(cmd) {
		column = max(column, len(leafUse(leaf, cmd)))
	}
	for _, group := range groups {
		fmt.Fprintf(w, "\n%s:\n", group.Title)
		for _, below := range cmd.Commands() {
			if below.GroupID != group.ID || !below.IsAvailableCommand() {
				continue
			}
			for _, leaf := range leaves(below) {
				about := wrap(leaf.Short, column+4, width)
				fmt.Fprintf(w, "  %-*s  %s", column, leafUse(leaf, cmd), strings.TrimLeft(about, " "))
			}
		}
	}
}

// leaves returns cmd, or the commands below it that have no others below them.
func leaves(cmd *cobra.Command) (found []*cobra.Command) {
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			found = append(found, leaves(below)...)
		}
	}
	if len(found) == 0 {
		found = append(found, cmd)
	}
	return found
}

// leafUse is how a command is called, without the path of the command above.
func leafUse(leaf, above *cobra.Command) string {
	path := strings.TrimSuffix(leaf.CommandPath(), leaf.Name()) + leaf.Use
	return strings.TrimPrefix(path, above.CommandPath()+" ")
}

// printFlags prints the flags under their headings. Those of all commands come last.
func printFlags(w io.Writer, cmd *cobra.Command, width int) {
	cmd.InheritedFlags() // adds them to Flags
	var headings []string
	sets := map[string]*pflag.FlagSet{}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		heading := Heading(flag)
		if !slices.Contains(headings, heading) {
			headings = append(headings, heading)
			sets[heading] = pflag.NewFlagSet(heading, pflag.ContinueOnError)
			sets[heading].SortFlags = false
		}
		sets[heading].AddFlag(flag)
	})
	for _, heading := range headings {
		fmt.Fprintf(w, "\n%s:\n%s", heading, sets[heading].FlagUsagesWrapped(width))
	}
}

// wrap breaks each paragraph into lines of at most the width, after an indent.
func wrap(text string, indent, width int) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n") {
		column := 0
		for word := range strings.FieldsSeq(paragraph) {
			switch {
			case column == 0:
				b.WriteString(strings.Repeat(" ", indent))
				column = indent
			case column+1+len(word) > width:
				b.WriteString("\n" + strings.Repeat(" ", indent))
				column = indent
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// widthOf returns the width of the terminal.
func widthOf(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return min(width, helpMost)
		}
	}
	return helpWidth
}
