package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shape puts a word in the place of what differs from run to run.
func shape(text string) string {
	for pattern, word := range map[string]string{
		`\b1\d{15}\b`: "ID", `\d{4}-\d\d-\d\dT[\d:.]+Z`: "TIME", `\b[0-9a-f]{64}\b`: "DIGEST", `"token":"[^"]+"`: `"token":"TOKEN"`,
		`"go":"[^"]+"`: `"go":"GO"`, `"version":"[^"]+"`: `"version":"VERSION"`, `http://127\.0\.0\.1:\d+`: "URL", `"path":"[^"]+/backups/[^"]+"`: `"path":"BACKUP"`,
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, word)
	}
	return text
}

// Every command prints JSON, one object a line, and nothing else; its names are a promise.
func TestJSONEverywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const admin = "ADMIN_KEY=0123456789abcdef-admin"
	s := start(t, dir, keysSetting, admin)
	env := []string{"SLUICE_KEY=" + testKey, admin, "SLUICE_URL=" + s.url, "JWT_SECRET=" + strings.Repeat("s", 32), "PING_INTERVAL=5s"}
	backup := ""
	for _, tt := range []struct{ args, stdin, want string }{
		{"version", "", `{"version":"VERSION","go":"GO"}`},
		{"health", "", `{"ok":true,"url":"URL/healthz"}`},
		{"health --ready", "", `{"ok":true,"url":"URL/readyz"}`},
		{"config ping_interval JWT_SECRET", "", `{"name":"PING_INTERVAL","value":"5s","source":"environment"}` + "\n" + `{"name":"JWT_SECRET","value":"***","source":"environment"}`},
		{"publish -s orders paid 1", "", `{"id":"ID"}`},
		{"publish paid --ndjson", "1\n2\n", `{"id":"ID"}` + "\n" + `{"id":"ID"}`},
		{"subscribe --stream orders --until caught-up", "", `{"id":"ID","ts":"TIME","event":"paid","stream":"orders","data":1}`},
		{"tail --stream orders --until caught-up", "", `{"id":"ID","ts":"TIME","event":"paid","stream":"orders","data":1}`},
		{"token --sub a", "", `{"token":"TOKEN","expires":"TIME"}`},
		{"user add ann@example.org --sub b,a --rest get:*", "a long password", `{"email":"ann@example.org","sub":["a","b"],"pub":[],"rest":["GET:*"],"active":true,"created":"TIME"}`},
		{"user list", "", `{"email":"ann@example.org","sub":["a","b"],"pub":[],"rest":["GET:*"],"active":true,"created":"TIME"}`},
		{"user password ann@example.org", "a longer password", `{"email":"ann@example.org"}`},
		{"user remove ann@example.org", "", `{"email":"ann@example.org"}`},
		{"user list", "", ""},
		{"backup", "", `{"path":"BACKUP"}`},
	} {
		out, errOut, code := run(t, tt.stdin, env, append(strings.Fields(tt.args), "--json")...)
		if code != 0 || errOut != "" || strings.TrimSuffix(shape(out), "\n") != tt.want {
			t.Errorf("%s: exit %d, %s\ngot\n%s\nwant\n%s", tt.args, code, errOut, shape(out), tt.want)
		}
		if tt.args == "backup" {
			backup = field(out, "path")
		}
	}
	if !filepath.IsAbs(backup) {
		backup = filepath.Join(dir, backup)
	}
	out, errOut, code := run(t, "", nil, "log", "verify", "--json", backup)
	if code != 0 || !regexp.MustCompile(`^\{"events":\d+,"entries":0,"rows":\d+,"digest":"DIGEST"\}\n$`).MatchString(shape(out)) {
		t.Errorf("log verify: exit %d, %s%s", code, out, errOut)
	}
	out, _, code = run(t, "", env, "bench", "-n", "1", "-e", "1", "--json")
	if !json.Valid([]byte(out)) || code != 0 {
		t.Errorf("bench: exit %d, %s", code, out)
	}
}

// An error is one line of JSON on standard error, with a code, the exit code, and the cure.
func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir(), keysSetting, "ADMIN_KEY=0123456789abcdef-admin",
		`JWT_SECRET=`+strings.Repeat("s", 32))
	env := []string{"SLUICE_KEY=" + testKey, "ADMIN_KEY=0123456789abcdef-admin", "SLUICE_URL=" + s.url}
	none := []string{"SLUICE_KEY=" + testKey, "ADMIN_KEY=0123456789abcdef-admin", "SLUICE_URL=http://127.0.0.1:1"}
	token, _, _ := run(t, "", []string{"JWT_SECRET=" + strings.Repeat("s", 32)}, "token", "--pub", "a")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		env    []string
		args   string
		code   string
		status int
		exit   int
		want   string
	}{
		{env, "publish ping", "bad_event", 400, 1, "reserved"},
		{[]string{"SLUICE_KEY=bad", "SLUICE_URL=" + s.url}, "publish a", "invalid_key", 401, 1, "in SLUICE_KEY, or in a file named by --key-file"},
		{[]string{"SLUICE_KEY=bad", "SLUICE_URL=" + s.url}, "subscribe", "invalid_key", 401, 1, "in SLUICE_KEY, or in a file named by --key-file"},
		{env, "publish b --key-file " + file, "forbidden", 403, 1, "use a key that may do it"},
		{[]string{"ADMIN_KEY=bad-bad-bad-bad-bad", "SLUICE_URL=" + s.url}, "user list", "invalid_admin_key", 401, 1, "in the variable ADMIN_KEY, or in a file named by --key-file"},
		{env, "user remove nobody@example.org", "not_found", 404, 1, "no such user"},
		{env, "user list --url " + s.url + "/healthz", "not_found", 404, 1, ""},
		{none, "user list", "unreachable", 0, 1, "start one with sluice, or give its address by --url"},
		{none, "backup", "unreachable", 0, 1, "start one with sluice"},
		{none, "health", "unreachable", 0, 1, "does not answer"},
		{env, "publish --bogus", "usage", 0, 2, "unknown flag --bogus"},
		{env, "publish a b c", "usage", 0, 2, "unexpected argument c"},
		{env, "publish a text", "usage", 0, 2, "quotes"},
		{env, "publish a --key-file /missing", "usage", 0, 2, "reading --key-file"},
		{[]string{"PING_INTERVAL=soon"}, "config", "settings", 0, 2, "PING_INTERVAL=soon"},
		{nil, "config RETAIN_AGES", "usage", 0, 2, "there is no setting RETAIN_AGES; did you mean RETAIN_AGE?"},
		{nil, "backup", "usage", 0, 2, "ADMIN_KEY"},
		{nil, "log verify /missing", "usage", 0, 2, "no log"},
		{nil, "cluster status", "usage", 0, 2, "CLUSTER_URL"},
	} {
		out, errOut, code := run(t, "", tt.env, append(strings.Fields(tt.args), "--json")...)
		var got struct {
			Error, Code  string
			Status, Exit int
		}
		if err := json.Unmarshal([]byte(errOut), &got); err != nil || out != "" || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: %q %q %v", tt.args, out, errOut, err)
			continue
		}
		if code != tt.exit || got.Exit != tt.exit || got.Code != tt.code || got.Status != tt.status || !strings.Contains(got.Error, tt.want) {
			t.Errorf("%s: exit %d, %s", tt.args, code, errOut)
		}
	}
	// What is said while a command goes on is a line of JSON, too.
	_, errOut, _ := run(t, "", []string{"JWT_SECRET=" + strings.Repeat("s", 32)}, "token", "--json")
	first, _, _ := strings.Cut(errOut, "\n")
	if !strings.HasPrefix(first, `{"note":"`) || !strings.Contains(first, "grants nothing") {
		t.Error(errOut)
	}
}
