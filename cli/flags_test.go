package cli

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// called runs the command line in this process.
func called(args ...string) (out, errOut string, code int) {
	var o, e bytes.Buffer
	code = Main(args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

// everyCommand returns all commands that the help shows.
func everyCommand(cmd *cobra.Command) (all []*cobra.Command) {
	all = append(all, cmd)
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			all = append(all, everyCommand(below)...)
		}
	}
	return all
}

// The help of a command has all its flags under a heading, each with what its value is, in lines that fit a terminal. The
// help of sluice and of a command with others below it has all that is below.
func TestHelpIsWhole(t *testing.T) {
	t.Parallel()
	for _, cmd := range everyCommand(rootCommand(&Streams{})) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		help, errOut, code := called(args...)
		if code != exitOK || errOut != "" || !strings.Contains(help, "Usage: "+cmd.CommandPath()) {
			t.Errorf("%v: exit %d, %s", args, code, errOut)
		}
		for _, leaf := range leaves(cmd) {
			if leaf != cmd && !strings.Contains(help, "\n  "+leafUse(leaf, cmd)+" ") {
				t.Errorf("%v: no line for %s", args, leaf.CommandPath())
			}
		}
		if groups := cmd.Groups(); len(groups) > 0 {
			for _, below := range cmd.Commands() {
				if below.IsAvailableCommand() && !cmd.ContainsGroup(below.GroupID) {
					t.Errorf("%s has no group", below.CommandPath())
				}
			}
		}
		cmd.InheritedFlags() // adds them to Flags
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			name := "--" + flag.Name
			if flag.Hidden {
				if strings.Contains(help, name) {
					t.Errorf("%v: the help shows %s", args, name)
				}
				return
			}
			if kind, _ := pflag.UnquoteUsage(flag); kind != "" {
				if name += " " + kind; kind != strings.ToUpper(kind) {
					t.Errorf("%v: the help of --%s does not say in `LETTERS` what its value is", args, flag.Name)
				}
			}
			if len(flag.Annotations[headingNote]) != 1 || !strings.Contains(help, name+" ") {
				t.Errorf("%v: %s is not under a heading", args, name)
			}
		})
		about := strings.ReplaceAll(help, cmd.Example, "") // which may be long
		for line := range strings.SplitSeq(about, "\n") {
			if len(line) > helpWidth && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%v: a long line: %s", args, line)
			}
		}
	}
}

// A text of the environment is in force, a flag wins over it, and no help shows it: it may be a secret.
func TestEnvironmentIsNotShown(t *testing.T) {
	const secret = "hunter2-hunter2"
	variables := []string{"SLUICE_URL", "ADMIN_KEY", "JWT_SECRET", "SLUICE_KEY"}
	for _, name := range variables {
		t.Setenv(name, secret)
	}
	for _, cmd := range everyCommand(rootCommand(&Streams{})) {
		if help, _, code := called(append(strings.Fields(cmd.CommandPath())[1:], "--help")...); code != exitOK || strings.Contains(help, secret) {
			t.Errorf("%s: exit %d, %s", cmd.CommandPath(), code, help)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{{nil, secret}, {[]string{"--text", "a"}, "a"}, {[]string{"--text", ""}, ""}} {
		f, got := pflag.NewFlagSet("", pflag.ContinueOnError), ""
		environmentVar(f, &got, "text", variables[0], "A text.")
		if err := f.Parse(tt.args); err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v", tt.args, got, err)
		}
	}
}

func TestFaultsSayWhatToChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, want string }{
		{"bogus", "unknown command bogus"},
		{"publsh a", "unknown command publsh; did you mean publish?"},
		{"-- publish", "unknown command publish"},
		{"user lst", "unknown command lst; did you mean list?"},
		{"user", "a command is missing: one of add, list, password, remove"},
		{"log", "a command is missing: verify"},
		{"bogus --help", "unknown command bogus"},
		{"help user bogus", "unknown command bogus"},
		{"publish", "the argument EVENT is missing"},
		{"publish a 1 2", "unexpected argument 2"},
		{"serve extra", "unexpected argument extra"},
		{"publish --colection x a", "unknown flag --colection; did you mean --collection?"},
		{"publish --idem x a", "unknown flag --idem; did you mean --idempotency-key?"},
		{"publish --bogus a", "unknown flag --bogus"},
		{"publish -x a", "unknown flag -x"},
		{"publish a -5", "unknown flag -5; before an argument that begins with -, write --"},
		{"--addr", "--addr needs a value: HOST:PORT"},
		{"subscribe -s", "--stream needs a value: NAME"},
		{"subscribe --limit many", "--limit=many: must be a whole number"},
		{"subscribe --json=maybe", "--json=maybe: must be true or false"},
		{"bench --pid 1,x", "--pid=1,x: must be a whole number"},
		{"bench -r fast", "--rate=fast: must be a number"},
		{"token --ttl 5", "--ttl=5: must be a time with its unit, such as 10s or 1h30m"},
		{"cluster init --bytes many", "--bytes=many: must be a size, such as 512B, 64KiB, 1MiB, 4GiB"},
	} {
		_, errOut, code := called(strings.Fields(tt.args)...)
		if first, _, _ := strings.Cut(errOut, "\n"); code != exitUsage || first != "sluice: "+tt.want {
			t.Errorf("%s: exit %d, %s", tt.args, code, errOut)
		}
	}
}

// Values may begin with a hyphen and be repeated; only lists are split at commas.
func TestFlagValues(t *testing.T) {
	t.Parallel()
	std := &Streams{}
	cmd := subscribeCommand(std)
	if err := cmd.ParseFlags([]string{"--from", "-5", "a", "--limit", "1", "--limit=2", "--channels", "a,b,", "--channels=c"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"from": "-5", "limit": "2"} {
		if got := cmd.Flag(name).Value.String(); got != want {
			t.Errorf("--%s is %q, want %q", name, got, want)
		}
	}
	f, list := pflag.NewFlagSet("", pflag.ContinueOnError), []string(nil)
	listVar(f, &list, "list", "")
	if err := f.Parse([]string{"--list", "a,b,", "--list=c"}); err != nil || !slices.Equal(list, []string{"a", "b", "c"}) {
		t.Errorf("got %q, %v", list, err)
	}
	cmd = benchCommand(std)
	if err := cmd.ParseFlags([]string{"-n5", "-H", "Accept: a, b", "-H", "X: c", "--say", "1,2", "--pid", "1,2", "--pid", "3"}); err != nil {
		t.Fatal(err)
	}
	headers, _ := cmd.Flags().GetStringArray("header")
	pids, _ := cmd.Flags().GetIntSlice("pid")
	if !slices.Equal(headers, []string{"Accept: a, b", "X: c"}) || !slices.Equal(pids, []int{1, 2, 3}) {
		t.Errorf("headers %q, pids %v", headers, pids)
	}
}

// --version and --help win over missing arguments, wherever they stand.
func TestVersionAnywhere(t *testing.T) {
	t.Parallel()
	want, _, _ := called("version")
	for _, args := range []string{"--version", "publish --version", "user --version", "--addr x --version", "user add a --version"} {
		if out, errOut, code := called(strings.Fields(args)...); code != exitOK || out != want || errOut != "" {
			t.Errorf("%s: exit %d, %q, %s", args, code, out, errOut)
		}
	}
}
