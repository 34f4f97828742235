package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/cli"
)

// pages returns a page for each command that the help shows, by the name of its file.
func pages(root *cobra.Command) map[string]string {
	all := map[string]string{}
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		all[pageName(cmd)+".1"] = page(cmd)
		for _, below := range cmd.Commands() {
			if below.IsAvailableCommand() {
				add(below)
			}
		}
	}
	add(root)
	return all
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page returns the manual page of a command. The texts of the help are plain, and not Markdown as the generator of cobra would
// read them: the * of patterns would become bold letters.
func page(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by go generate ./cli from the help. Do not edit it.\n")
	fmt.Fprintf(&b, ".TH %q 1 \"\" Sluice \"Sluice Manual\"\n.nh\n.ad l\n", strings.ToUpper(pageName(cmd)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(pageName(cmd)), escape(strings.TrimSuffix(cmd.Short, ".")))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", escape(cmd.CommandPath()), escape(strings.TrimPrefix(cli.UseLine(cmd), cmd.CommandPath()+" ")))
	fmt.Fprint(&b, ".SH DESCRIPTION\n", paragraphs(cmd.Short))
	if cmd.Long != "" {
		fmt.Fprint(&b, ".PP\n", paragraphs(cmd.Long))
	}
	commands(&b, cmd)
	flags(&b, cmd)
	environment(&b, cmd)
	if !cmd.HasAvailableSubCommands() || !cmd.HasParent() {
		fmt.Fprint(&b, ".SH EXIT STATUS\n")
		for _, code := range cli.ExitCodes {
			fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", code.Code, escape(code.Meaning))
		}
	}
	if cmd.Example != "" {
		fmt.Fprint(&b, ".SH EXAMPLES\n.nf\n", lines(cmd.Example), ".fi\n")
	}
	also(&b, cmd)
	return b.String()
}

// commands lists the commands below, each of which has a page.
func commands(b *strings.Builder, cmd *cobra.Command) {
	groups := cmd.Groups()
	if len(groups) == 0 && cmd.HasAvailableSubCommands() {
		groups = []*cobra.Group{{Title: "Commands"}}
	}
	for _, group := range groups {
		fmt.Fprintf(b, ".SH %s\n", strings.ToUpper(group.Title))
		for _, below := range cmd.Commands() {
			if below.GroupID == group.ID && below.IsAvailableCommand() {
				fmt.Fprintf(b, ".TP\n.BR %s (1)\n%s\n", escape(pageName(below)), escape(below.Short))
			}
		}
	}
}

// flags lists the flags under their headings.
func flags(b *strings.Builder, cmd *cobra.Command) {
	cmd.InheritedFlags() // adds them to Flags
	heading := ""
	var headings []string
	by := map[string][]*pflag.Flag{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if heading = cli.Heading(f); !slices.Contains(headings, heading) {
			headings = append(headings, heading)
		}
		by[heading] = append(by[heading], f)
	})
	fmt.Fprint(b, ".SH OPTIONS\n")
	for _, heading := range headings {
		fmt.Fprintf(b, ".SS %s\n", escape(heading))
		for _, f := range by[heading] {
			kind, about := pflag.UnquoteUsage(f)
			name := "\\fB" + escape("--"+f.Name) + "\\fR"
			if f.Shorthand != "" {
				name = "\\fB" + escape("-"+f.Shorthand) + "\\fR, " + name
			}
			if kind != "" {
				name += " \\fI" + escape(kind) + "\\fR"
			}
			if value := f.DefValue; kind != "" && value != "" && value != "0" && value != "0s" && value != "[]" {
				about = strings.TrimSuffix(about, ".") + " (default: " + value + ")."
			}
			fmt.Fprintf(b, ".TP\n%s\n%s\n", name, escape(about))
		}
	}
}

// variables are those of the environment, by the flag that they stand for.
var variables = []struct{ flag, name, about string }{
	{"url", "SLUICE_URL", "The gateway, where --url is not given."},
	{"key-file", "SLUICE_KEY, SLUICE_KEY_FILE", "The API key or token, or the name of a file with it, where --key-file is not given."},
	{"admin-key", "ADMIN_KEY, ADMIN_KEY_FILE", "The administrator's key, or the name of a file with it, where --key-file is not given."},
	{"color", "NO_COLOR", "Where it is set, --color=auto uses no colours."},
}

func environment(b *strings.Builder, cmd *cobra.Command) {
	heading := ".SH ENVIRONMENT\n"
	for _, v := range variables {
		if cmd.Flags().Lookup(v.flag) == nil || v.flag == "key-file" && cmd.Flags().Lookup("admin-key") != nil {
			continue
		}
		fmt.Fprintf(b, "%s.TP\n.B %s\n%s\n", heading, escape(v.name), escape(v.about))
		heading = ""
	}
}

// also names the pages above and below.
func also(b *strings.Builder, cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, pageName(cmd.Parent()))
	}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, pageName(below))
		}
	}
	if len(names) == 0 {
		return
	}
	fmt.Fprint(b, ".SH SEE ALSO\n")
	for i, name := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		fmt.Fprintf(b, ".BR %s (1)%s\n", escape(name), end)
	}
}

// paragraphs separates the paragraphs of a text.
func paragraphs(text string) string {
	var b strings.Builder
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(lines(p))
	}
	return b.String()
}

// lines escapes each line of a text.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(escape(line) + "\n")
	}
	return b.String()
}

// escape writes a line so that troff prints it as it is: groff(7). A hyphen that is typed must stay one when it is copied.
func escape(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`).Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
