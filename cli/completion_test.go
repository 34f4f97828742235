package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A real bash completes commands, flags and values after the script is read. bash-completion, which the script uses where it
// is installed, is replaced by its one function that matters.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("bash is needed: ", err)
	}
	script, errOut, code := run(t, "", nil, "completion", "bash")
	if code != 0 || errOut != "" {
		t.Fatalf("exit %d, %s", code, errOut)
	}
	s := start(t, t.TempDir(), keysSetting, "ADMIN_KEY=0123456789abcdef-admin")
	env := []string{"SLUICE_URL=" + s.url, "ADMIN_KEY=0123456789abcdef-admin"}
	if _, errOut, code := run(t, "a long password\n", env, "user", "add", "ann@example.org", "--sub", "a"); code != 0 {
		t.Fatal(errOut)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "script"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	const program = `
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD; }
__ltrim_colon_completions() { :; }
compopt() { :; } # bash has it only while it completes
source ./script
complete -p sluice >/dev/null || exit 1
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9
__start_sluice
printf '%s\n' "${COMPREPLY[@]}"
`
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"sluice ta", []string{"tail"}},
		{"sluice cluster s", []string{"snapshot", "status"}},
		{"sluice user r", []string{"remove"}},
		{"sluice publish --col", []string{"--collection"}},
		{"sluice publish p", []string{"patch", "post", "put"}},
		{"sluice tail --color ", []string{"always", "auto", "never"}},
		{"sluice top --sort a", []string{"age"}},
		{"sluice subscribe --until c", []string{"caught-up"}},
		{"sluice config RETAIN_", []string{"RETAIN_AGE", "RETAIN_BYTES"}},
		{"sluice completion f", []string{"fish"}},
		{"sluice user password ", []string{"ann@example.org"}},
		{"sluice user list --admin", nil}, // an older spelling
	} {
		words := strings.Split(tt.line, " ")
		cmd := exec.Command(bash, append([]string{"--norc", "-c", program}, append([]string{"bash"}, words...)...)...)
		cmd.Dir = folder
		cmd.Env = append([]string{"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH")}, env...)
		out, err := cmd.CombinedOutput()
		var got []string
		for line := range strings.Lines(string(out)) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word != "" {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q, %v\n%s", tt.line, got, tt.want, err, out)
		}
	}
}

// The scripts of the other shells are read by them where they are installed. What completes is the same program, so the test
// of bash has the rest.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for shell, check := range map[string][]string{"zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"}, "powershell": nil} {
		script, errOut, code := run(t, "", nil, "completion", shell)
		if code != 0 || errOut != "" || !strings.Contains(script, "sluice") || !strings.Contains(script, "__complete") {
			t.Errorf("%s: exit %d, %s", shell, code, errOut)
			continue
		}
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			continue
		}
		path := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(check[0], append(check[1:], path)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	if _, errOut, code := run(t, "", nil, "completion", "tcsh"); code != 2 || !strings.Contains(errOut, "use one of bash, zsh, fish, powershell") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if out, errOut, code := run(t, "", nil, "__complete", "health", "--timeout", ""); code != 0 || !strings.HasPrefix(out, ":4\n") {
		t.Errorf("a value that only the user knows: exit %d, %q, %s", code, out, errOut)
	}
}

// What the shells show beside a flag is the text of the help, without the marks that only the help reads.
func TestCompletionDescribesFlags(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"tail", "publish", "token", "cluster init"} {
		out, errOut, code := run(t, "", nil, append(append([]string{"__complete"}, strings.Fields(command)...), "--")...)
		if code != 0 || strings.Contains(out, "`") || !strings.Contains(out, "--json\tPrint") {
			t.Errorf("%s: exit %d, %s%s", command, code, out, errOut)
		}
	}
	out, _, _ := run(t, "", nil, "__complete", "tail", "--lim")
	if want := "--limit\tEnd after N events.\n"; !strings.HasPrefix(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// A bash without bash-completion is named when it reads the script, and not only by an error at the first Tab.
func TestCompletionWithoutBashCompletion(t *testing.T) {
	t.Parallel()
	script, _, _ := run(t, "", nil, "completion", "bash")
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	const missing = "sluice: the Tab key needs the package bash-completion, which this shell has not loaded: install it, and start a new shell\n"
	for before, want := range map[string]string{
		"":                                 missing,
		"_init_completion() { :; };":       "",
		"_get_comp_words_by_ref() { :; };": "",
	} {
		out, err := exec.Command("bash", "--norc", "-c", before+" source "+path+" && complete -p sluice >/dev/null").CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%q: %v, got %q, want %q", before, err, out, want)
		}
	}
}
