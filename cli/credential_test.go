package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// What is nearest wins: --key-file, then the variable, then the file that the variable with _FILE names. Keys of clients and of
// administrators have the same rule, and neither takes the place of the other.
func TestCredentialSources(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flagFile, variableFile, empty := file("flag", " of-flag\n"), file("variable", "of-file\r\n"), file("empty", " \n")
	for _, own := range []string{"SLUICE_KEY", "ADMIN_KEY"} {
		other := map[string]string{"SLUICE_KEY": "ADMIN_KEY", "ADMIN_KEY": "SLUICE_KEY"}[own]
		for _, tt := range []struct {
			name, args, variable, variableFile string
			want, fault                        string
		}{
			{name: "nothing"},
			{name: "the variable", variable: "of-variable", want: "of-variable"},
			{name: "the variable's file", variableFile: variableFile, want: "of-file"},
			{name: "both", variable: "of-variable", variableFile: variableFile, want: "of-variable"},
			{name: "all", args: "--key-file " + flagFile, variable: "of-variable", variableFile: variableFile, want: "of-flag"},
			{name: "no such file", args: "--key-file /missing/key", variable: "of-variable", fault: "reading --key-file"},
			{name: "no such file of the variable", variableFile: "/missing/key", fault: "reading " + own + "_FILE"},
			{name: "an empty file", args: "--key-file " + empty, variable: "of-variable", fault: "is empty"},
		} {
			t.Run(own+" "+tt.name, func(t *testing.T) {
				for name, value := range map[string]string{own: tt.variable, own + "_FILE": tt.variableFile, other: "of-other", other + "_FILE": flagFile} {
					t.Setenv(name, value)
				}
				a, f := access{admin: own == "ADMIN_KEY"}, pflag.NewFlagSet("", pflag.ContinueOnError)
				a.flags(f)
				if err := f.Parse(strings.Fields(tt.args)); err != nil {
					t.Fatal(err)
				}
				got, err := a.credential()
				if got != tt.want || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
	}
}

// Every command that prints something has --json, every command that talks to a gateway --url, and every one that needs a key
// --key-file; and a flag means the same wherever it is.
func TestOneSpellingForAll(t *testing.T) {
	t.Parallel()
	noJSON := map[string]bool{"sluice": true, "sluice serve": true, "sluice completion": true}
	keyless := map[string]bool{"sluice health": true}
	usages := map[string]string{}
	for _, cmd := range everyCommand(rootCommand(&Streams{})) {
		if cmd.HasAvailableSubCommands() && cmd.HasParent() {
			continue
		}
		path := cmd.CommandPath()
		if has := cmd.Flags().Lookup("json") != nil; has == noJSON[path] {
			t.Errorf("%s: --json is there: %v", path, has)
		}
		if key, url := cmd.Flags().Lookup("key-file") != nil, cmd.Flags().Lookup("url") != nil; key != url && !keyless[path] {
			t.Errorf("%s: --key-file is there: %v, --url: %v", path, key, url)
		}
		if strings.Contains(cmd.Use, "GATEWAY") || strings.Contains(cmd.Use, "SERVER") {
			t.Errorf("%s takes the address as an argument", path)
		}
		for _, name := range []string{"url", "color"} {
			if f := cmd.Flags().Lookup(name); f != nil && usages[name] != "" && usages[name] != f.Usage {
				t.Errorf("%s: --%s is %q, elsewhere %q", path, name, f.Usage, usages[name])
			} else if f != nil {
				usages[name] = f.Usage
			}
		}
	}
}

// The texts of commands end as sentences do, since the manual and the help print them one after another.
func TestTextsAreSentences(t *testing.T) {
	t.Parallel()
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		for _, text := range []string{cmd.Short, cmd.Long} {
			if text != "" && !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q has no end", cmd.CommandPath(), text)
			}
		}
		for _, below := range cmd.Commands() {
			if below.IsAvailableCommand() {
				check(below)
			}
		}
	}
	check(rootCommand(&Streams{}))
}
