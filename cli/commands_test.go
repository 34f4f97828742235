package cli_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run runs a command of the binary and gives what it printed and its exit code.
func run(t *testing.T, stdin string, env []string, args ...string) (out, errOut string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = env
	cmd.Stdin = strings.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"subscribe", "publish", "token", "user", "health", "config", "log", "cluster"} {
		if out, _, code := run(t, "", nil, command, "--help"); code != 0 || !strings.Contains(out, "Example:") {
			t.Errorf("%s: %d\n%s", command, code, out)
		}
	}
	if out, _, code := run(t, "", nil, "--help"); code != 0 || !strings.Contains(out, "subscribe") {
		t.Errorf("%d\n%s", code, out)
	}
	for _, args := range [][]string{{"bogus"}, {"publish"}, {"publish", "--bogus"}} {
		if _, errOut, code := run(t, "", nil, args...); code != 2 || errOut == "" {
			t.Errorf("%v: %d %s", args, code, errOut)
		}
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	key := []string{"SLUICE_KEY=" + testKey}
	watch := exec.Command(binary, "subscribe", "--json", "--channels", "put:customer,reading", s.url)
	watch.Env = key
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	defer watch.Process.Kill()
	lines := bufio.NewScanner(out)
	for n := 0; n == 0; { // until it is connected: what comes before is not for it
		metrics, _, _ := strings.Cut(get(t, s.url+"/metrics"), "sluice_deliveries_total")
		if strings.Contains(metrics, "sluice_connections 1") {
			n = 1
		}
	}
	id, errOut, code := run(t, "", key, "publish", "--url", s.url, "put", "-c", "customer", `{"n":12345678901234567890}`)
	if code != 0 {
		t.Fatalf("%d %s", code, errOut)
	}
	micros, err := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"id":"%d","ts":"%s","event":"put","collection":"customer","data":{"n":12345678901234567890}}`,
		micros, time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000Z"))
	if lines.Scan(); lines.Text() != want {
		t.Errorf("got  %s\nwant %s", lines.Text(), want)
	}
	ids, errOut, code := run(t, strings.Repeat("1\n\n", 1200), key, "publish", "--url", s.url, "--ndjson", "reading")
	if code != 0 || strings.Count(ids, "\n") != 1200 {
		t.Fatalf("%d: %d ids, %s", code, strings.Count(ids, "\n"), errOut)
	}
	for range 1200 {
		var e struct{ Event string }
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &e) != nil || e.Event != "reading" {
			t.Fatalf("got %s", lines.Text())
		}
	}
	watch.Process.Signal(syscall.SIGINT)
	if err := watch.Wait(); err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

func TestRefusedCommands(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	tests := []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"no key", nil, []string{"subscribe", s.url}, 1, "SLUICE_KEY"},
		{"bad key", []string{"SLUICE_KEY=wrong-wrong-wrong"}, []string{"subscribe", s.url}, 1, "not known"},
		{"no key to publish", nil, []string{"publish", "--url", s.url, "a"}, 1, "SLUICE_KEY"},
		{"no JSON", nil, []string{"publish", "--url", s.url, "a", "text"}, 2, "quotes"},
		{"bad name", []string{"SLUICE_KEY=" + testKey}, []string{"publish", "--url", s.url, "ping"}, 1, "reserved"},
		{"no secret", nil, []string{"token", "--sub", "a"}, 2, "JWT_SECRET"},
		{"bad pattern", []string{"JWT_SECRET=" + strings.Repeat("s", 32)}, []string{"token", "--sub", "put"}, 2, "put"},
		{"bad documents", []string{"JWT_SECRET=" + strings.Repeat("s", 32)}, []string{"token", "--rest", "chat"}, 2, "METHOD:collection"},
		{"bad address", nil, []string{"subscribe", "ftp://x"}, 2, "address"},
	}
	for _, tt := range tests {
		if _, errOut, code := run(t, "", tt.env, tt.args...); code != tt.code || !strings.Contains(errOut, tt.want) || strings.Contains(errOut, "wrong-wrong") {
			t.Errorf("%s: %d %s", tt.name, code, errOut)
		}
	}
}

// A token that the command signs is taken by the gateway, for its channels and no more.
func TestToken(t *testing.T) {
	t.Parallel()
	secret := "JWT_SECRET=" + strings.Repeat("s", 32)
	s := start(t, t.TempDir(), secret)
	token, errOut, code := run(t, "", []string{secret}, "token", "--sub", "a", "--pub", "a,chat-*", "--rest", "GET:customer,POST:*", "--subject", "42", "--ttl", "1m")
	if code != 0 {
		t.Fatalf("%d %s", code, errOut)
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil || !strings.Contains(string(claims), `"rest":["GET:customer","POST:*"]`) {
		t.Errorf("%s %v", claims, err)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := run(t, "1", nil, "publish", "--url", s.url, "--key-file", file, "chat-1", "-"); code != 0 {
		t.Errorf("%d %s", code, errOut)
	}
	if _, errOut, code := run(t, "", nil, "publish", "--url", s.url, "--key-file", file, "b"); code != 1 || !strings.Contains(errOut, "may not publish") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestConfigCommand(t *testing.T) {
	t.Parallel()
	out, _, code := run(t, "", []string{"JWT_SECRET=" + strings.Repeat("s", 32), "PING_INTERVAL=5s"}, "config")
	if code != 0 || !strings.Contains(out, "PING_INTERVAL") || !strings.Contains(out, "(environment)") || !strings.Contains(out, "***") || strings.Contains(out, "sss") {
		t.Errorf("%d\n%s", code, out)
	}
}

// The past of a stream, as far as it is asked for, and then the end.
func TestSubscribeToThePast(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting)
	key := []string{"SLUICE_KEY=" + testKey}
	if _, errOut, code := run(t, strings.Repeat("1\n", 20), key, "publish", "--url", s.url, "--ndjson", "-s", "orders", "placed"); code != 0 {
		t.Fatal(errOut)
	}
	if _, errOut, code := run(t, "", key, "publish", "--url", s.url, "-s", "orders", "paid", "2"); code != 0 {
		t.Fatal(errOut)
	}
	for _, tt := range []struct {
		args  string
		count int
		name  string
	}{
		{"--stream orders --from earliest --until caught-up", 21, ""},
		{"--stream orders --from -5 --until caught-up", 5, ""},
		{"--stream orders --limit 3", 3, "placed"},
		{"--types paid --until caught-up", 1, "paid"},
		{"--stream none --until caught-up", 0, ""},
	} {
		out, errOut, code := run(t, "", key, append(append([]string{"subscribe", "--json"}, strings.Fields(tt.args)...), s.url)...)
		if code != 0 || strings.Count(out, "\n") != tt.count || errOut != "" {
			t.Errorf("%s: exit %d, %d lines, %s", tt.args, code, strings.Count(out, "\n"), errOut)
		}
		if tt.name != "" && strings.Count(out, `"event":"`+tt.name+`"`) != tt.count {
			t.Errorf("%s: %s", tt.args, out)
		}
	}
	if _, errOut, code := run(t, "", key, "subscribe", "--limit", "0", "--from", "yesterday", s.url); code != 1 || !strings.Contains(errOut, "parameter from") {
		t.Errorf("a bad place: exit %d, %s", code, errOut)
	}
}
