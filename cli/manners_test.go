package cli_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	flag, _, code := run(t, "", nil, "--version")
	command, _, _ := run(t, "", nil, "version")
	if code != 0 || flag != command || !strings.HasPrefix(flag, "sluice ") {
		t.Errorf("exit %d, %q, the command says %q", code, flag, command)
	}
	for _, args := range [][]string{{"help"}, {"help", "publish"}} {
		help, _, code := run(t, "", nil, args...)
		want, _, _ := run(t, "", nil, append(args[1:], "--help")...)
		if code != 0 || help != want {
			t.Errorf("%v: exit %d\n%s", args, code, help)
		}
	}
}

// A fault of the arguments points to the help of the command that they name.
func TestFaultsPointToTheirHelp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, want string }{
		{"bogus", "sluice --help"},
		{"--bogus", "sluice --help"},
		{"serve --bogus", "sluice serve --help"},
		{"publish", "sluice publish --help"},
		{"publish --bogus", "sluice publish --help"},
		{"publish a text", "sluice publish --help"},
		{"subscribe ftp://user:hunter2@x", "sluice subscribe --help"},
		{"subscribe --limit many", "sluice subscribe --help"},
		{"token", "sluice token --help"},
		{"user", "sluice user --help"},
		{"user add", "sluice user add --help"},
		{"user list", "sluice user list --help"},
		{"backup", "sluice backup --help"},
		{"health --bogus", "sluice health --help"},
	} {
		_, errOut, code := run(t, "", []string{"SLUICE_KEY=" + testKey}, strings.Fields(tt.args)...)
		if code != 2 || !strings.HasSuffix(errOut, "\nTry: "+tt.want+"\n") || strings.Contains(errOut, "hunter2") {
			t.Errorf("%s: exit %d, %s", tt.args, code, errOut)
		}
	}
	// Settings are not arguments.
	if _, errOut, code := run(t, "", []string{"PING_INTERVAL=x"}, "serve"); code != 2 || strings.Contains(errOut, "Try:") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

// Every command takes the address of the gateway as --url and as SLUICE_URL, with a scheme and without.
func TestOneAddressForAllCommands(t *testing.T) {
	t.Parallel()
	const adminKey = "0123456789abcdef-admin"
	s := start(t, t.TempDir(), keysSetting, "ADMIN_KEY="+adminKey)
	bare := strings.TrimPrefix(s.url, "http://")
	for _, args := range []string{
		"publish a 1", "subscribe --from earliest --until caught-up", "user list", "backup", "health", "health --ready", "bench -n 1 -e 1 --json",
	} {
		env := []string{"SLUICE_KEY=" + testKey, "ADMIN_KEY=" + adminKey}
		for _, url := range []string{s.url, s.url + "/", bare} {
			if _, errOut, code := run(t, "", env, append(strings.Fields(args), "--url", url)...); code != 0 {
				t.Errorf("%s --url %s: exit %d, %s", args, url, code, errOut)
			}
			if _, errOut, code := run(t, "", append(env, "SLUICE_URL="+url), strings.Fields(args)...); code != 0 {
				t.Errorf("SLUICE_URL=%s %s: exit %d, %s", url, args, code, errOut)
			}
		}
	}
	// As an argument too, where there is no other; it wins, as what is nearest.
	env := []string{"SLUICE_KEY=" + testKey, "ADMIN_KEY=" + adminKey, "SLUICE_URL=http://127.0.0.1:1"}
	for _, args := range []string{"subscribe --from earliest --until caught-up", "backup", "bench -n 1 -e 1 --json"} {
		if _, errOut, code := run(t, "", env, append(strings.Fields(args), bare)...); code != 0 {
			t.Errorf("%s %s: exit %d, %s", args, bare, code, errOut)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	for _, addr := range []string{"127.0.0.1:", "0.0.0.0:", ":", "localhost:"} {
		out, errOut, code := run(t, "", []string{"ADDR=" + addr + port}, "health")
		if code != 0 || out != "ok\n" || errOut != "" {
			t.Errorf("ADDR=%s: exit %d, %q, %s", addr, code, out, errOut)
		}
	}
	if _, errOut, code := run(t, "", []string{"ADDR=x"}, "health"); code != 2 || !strings.Contains(errOut, "ADDR=x") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	if _, errOut, code := run(t, "", nil, "health", "--url", s.url+"/none"); code != 1 || !strings.Contains(errOut, "404") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	s.stop(t, os.Kill)
	if _, errOut, code := run(t, "", nil, "health", "--url", s.url); code != 1 || !strings.Contains(errOut, "does not answer") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

func TestServeAddr(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"serve --addr nonsense", "--addr nonsense"} {
		if _, errOut, code := run(t, "", []string{"ADDR=127.0.0.1:0"}, strings.Fields(args)...); code != 2 || !strings.Contains(errOut, "ADDR=nonsense: must be host:port") {
			t.Errorf("%s: exit %d, %s", args, code, errOut)
		}
	}
	// It wins over ADDR, so that this gateway is open to other machines.
	if _, errOut, code := run(t, "", []string{"ADDR=127.0.0.1:0"}, "serve", "--addr", "0.0.0.0:0"); code != 2 || !strings.Contains(errOut, "no credential is configured") {
		t.Errorf("exit %d, %s", code, errOut)
	}
}

// Missing settings are reported together with wrong ones.
func TestMissingCredentialAmongFaults(t *testing.T) {
	t.Parallel()
	_, errOut, code := run(t, "", []string{"ADDR=0.0.0.0:0", "PING_INTERVAL=x"}, "serve")
	if code != 2 || !strings.Contains(errOut, "2 setting(s)") || !strings.Contains(errOut, "PING_INTERVAL=x") || !strings.Contains(errOut, "no credential is configured") {
		t.Errorf("exit %d, %s", code, errOut)
	}
	_, errOut, _ = run(t, "", []string{"ADDR=0.0.0.0:0", "PING_INTERVAL=x", keysSetting}, "serve")
	if !strings.Contains(errOut, "1 setting(s)") {
		t.Error(errOut)
	}
}

// subscribe --json prints the lines that /realtime gives as NDJSON, byte for byte.
func TestSubscribeJSONIsNDJSON(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting, "CUSTOM_EVENT_FRAME=publish")
	for _, body := range []string{
		`{"event":"paid","data":{"amount":12345678901234567890.10}}`, `{"event":"put","collection":"customer","data":"<&>\u2028\u00e9"}`,
		`{"event":"a\"b\u00fc<","stream":"s \\ 1","data":[ 1, {"a":1,"a":2} ]}`, `{"event":"none"}`,
	} {
		if code, text, err := s.post(body); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %s %v", body, code, text, err)
		}
	}
	r, err := http.NewRequest(http.MethodGet, s.url+"/realtime?from=1&until=caught-up", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Apikey", testKey)
	r.Header.Set("Accept", "application/x-ndjson")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) != "" {
			want = append(want, line)
		}
	}
	out, errOut, code := run(t, "", []string{"SLUICE_KEY=" + testKey}, "subscribe", "--json", "--from", "1", "--until", "caught-up", "--url", s.url)
	if code != 0 || out != strings.Join(want, "") || len(want) < 4 {
		t.Errorf("exit %d, %s\ngot\n%s\nwant\n%s", code, errOut, out, strings.Join(want, ""))
	}
}

func TestTokenThatGrantsNothing(t *testing.T) {
	t.Parallel()
	secret := "JWT_SECRET=" + strings.Repeat("s", 32)
	for _, tt := range []struct {
		env  string
		args string
		warn bool
	}{
		{"", "", true},
		{"", "--subject 42", true},
		{"", "--sub a", false},
		{"", "--rest GET:a", false},
		{"JWT_DEFAULT_SUB=inbox-{sub}", "--subject 42", false},
		{"REALTIME_GLOBAL=true", "", false},
	} {
		out, errOut, code := run(t, "", []string{secret, tt.env}, append([]string{"token"}, strings.Fields(tt.args)...)...)
		if code != 0 || strings.Count(out, ".") != 2 || strings.Contains(errOut, "grants nothing") != tt.warn {
			t.Errorf("%s token %s: exit %d, %s", tt.env, tt.args, code, errOut)
		}
	}
}

// Without a key, the error is one line: the cure at the command line, and not the gateway's, which is for all kinds of clients.
func TestNoKey(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	for _, args := range []string{"publish a 1", "subscribe", "publish --ndjson a", "tail"} {
		_, errOut, code := run(t, "1\n", nil, append(strings.Fields(args), "--url", s.url)...)
		if code != 1 || errOut != "sluice: no key is given; put an API key or a token into SLUICE_KEY, or into a file named by --key-file\n" {
			t.Errorf("%s: exit %d, %s", args, code, errOut)
		}
		if _, errOut, _ := run(t, "1\n", []string{"SLUICE_KEY=wrong"}, append(strings.Fields(args), "--url", s.url)...); strings.Contains(errOut, "no key is given") {
			t.Errorf("%s with a key: %s", args, errOut)
		}
	}
}

// Names in .env that are no settings are listed once and do no harm; one that is nearly a setting stops the start.
func TestDotenvNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("PORT=hunter2\nNODE_ENV=production\n")
	s := start(t, dir, keysSetting)
	if err := s.stop(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if log := s.log.String(); strings.Count(log, "not settings of the gateway") != 1 || !strings.Contains(log, "NODE_ENV,PORT") || !strings.Contains(log, "level=WARN") || strings.Contains(log, "hunter2") {
		t.Error(log)
	}
	write("API_KEY=hunter2\n")
	cmd := exec.Command(binary)
	cmd.Dir, cmd.Env = dir, []string{"ADDR=127.0.0.1:0"}
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "did you mean API_KEYS?") || strings.Contains(string(out), "hunter2") {
		t.Errorf("%v %s", err, out)
	}
}

// The commands of the administrator take ADMIN_KEY_FILE, as the gateway does.
func TestAdminKeyFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "admin-key")
	if err := os.WriteFile(file, []byte("0123456789abcdef-admin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir(), keysSetting, "ADMIN_KEY_FILE="+file)
	for _, tt := range []struct {
		env  string
		code int
	}{{"ADMIN_KEY_FILE=" + file, 0}, {"ADMIN_KEY=0123456789abcdef-admin", 0}, {"ADMIN_KEY=0123456789abcdef-other", 1}, {"ADMIN_KEY_FILE=/missing", 2}} {
		if _, errOut, code := run(t, "", []string{tt.env}, "user", "list", "--url", s.url); code != tt.code {
			t.Errorf("%s: exit %d, %s", tt.env, code, errOut)
		}
	}
}
