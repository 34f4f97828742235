package cli_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// greeted starts a gateway, and returns it with the text that it prints: up to the last line of what is in force.
func greeted(t *testing.T, dir string, env ...string) (s *server, greeting string) {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "ADDR=127.0.0.1:0"}, env...)
	s = &server{cmd: cmd, log: &logText{}, done: make(chan error, 1)}
	cmd.Stderr = s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, inForce := bufio.NewScanner(out), false
	for lines.Scan() && !(inForce && greeting != "" && lines.Text() == "" && !strings.HasSuffix(greeting, "In force:\n")) {
		greeting += lines.Text() + "\n"
		inForce = inForce || lines.Text() == "In force:"
	}
	s.url = regexp.MustCompile(`http://[^\s/]+`).FindString(greeting)
	go func() {
		io.Copy(io.Discard, out)
		s.done <- cmd.Wait()
	}()
	t.Cleanup(func() { s.stop(t, syscall.SIGKILL) })
	return s, greeting
}

// status is the status of a request with a key.
func (s *server) status(t *testing.T, method, path, key, body string) int {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// refusal is the answer to a publish with a key.
func (s *server) refusal(t *testing.T, key string) string {
	t.Helper()
	_, text, err := s.post(`{"event":"hello"}`, "X-Apikey", key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The link of a first start has the key that may do everything and the administrator's. Both stay in force as long as no
// setting names a credential, and each start says which credentials are in force.
func TestFirstKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, greeting := greeted(t, dir)
	links := regexp.MustCompile(`(?m)^  (http://\S+/#\S+)$`).FindAllStringSubmatch(greeting, -1)
	if len(links) != 1 || !strings.HasPrefix(links[0][1], s.url+"/#") {
		t.Fatalf("the links are %q in:\n%s", links, greeting)
	}
	given, err := url.ParseQuery(strings.TrimPrefix(links[0][1], s.url+"/#"))
	if err != nil {
		t.Fatal(err)
	}
	key, admin := given.Get("apikey"), given.Get("admin")
	for file, secret := range map[string]string{"first-key": key, "first-admin-key": admin} {
		name := filepath.Join(dir, "data", file)
		content, err := os.ReadFile(name)
		if info, bad := os.Stat(name); err != nil || bad != nil || strings.TrimSpace(string(content)) != secret || secret == "" || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %q %v %v, the link has %q", file, content, err, info, secret)
		}
	}
	if status := s.status(t, "POST", "/admin/keys", admin, `{"name":"app","sub":["a"]}`); status != 201 {
		t.Fatalf("making a key: %d", status)
	}
	const other = "0123456789abcdef-other"
	tests := []struct {
		name       string
		env        []string
		key, admin int // the statuses
		says       []string
		why        string // the first key is not in force
		warns      string // the files in the log's warning
	}{
		{"a later start", nil, 200, 200, []string{"  API keys      the one of the first start, in data/first-key, 1 made by the administrator\n", "  admin key     the one of the first start, in data/first-admin-key\n"}, "", ""},
		{"ADMIN_KEY", []string{"ADMIN_KEY=" + other}, 401, 401, []string{"  API keys      1 made by the administrator\n", "  admin key     the one of ADMIN_KEY\n", "data/first-admin-key and data/first-key of"}, "ADMIN_KEY is set", "data/first-admin-key,data/first-key"},
		{"the first one as ADMIN_KEY", []string{"ADMIN_KEY_FILE=data/first-admin-key"}, 401, 200, []string{"  admin key     the one of ADMIN_KEY\n", "  not in force  data/first-key of"}, "ADMIN_KEY is set", "data/first-key"},
		{"API_KEYS", []string{keysSetting}, 401, 404, []string{"  API keys      1 of the settings, 1 made by the administrator\n", "  admin key     none; set ADMIN_KEY to have one\n"}, "API_KEYS is set", "data/first-admin-key,data/first-key"},
		{"the first one among API_KEYS", []string{`API_KEYS=[{"name":"mine","key":"` + key + `","sub":["*"]}]`, "ADMIN_KEY=" + admin}, 200, 200, []string{"  API keys      1 of the settings, 1 made"}, "", ""},
		{"JWT_SECRET", []string{"JWT_SECRET=" + strings.Repeat("s", 32)}, 401, 404, []string{"  tokens        those that JWT_SECRET verifies, those that API keys mint\n"}, "JWT_SECRET is set", "data/first-admin-key,data/first-key"},
		{"AUTH_URL", []string{"AUTH_URL=http://127.0.0.1:1/"}, 401, 404, []string{"  application   the one of AUTH_URL decides about all other requests\n"}, "AUTH_URL is set", "data/first-admin-key,data/first-key"},
		{"none of them again", nil, 200, 200, []string{"in data/first-key, 1 made"}, "", ""},
		{"beyond loopback, with a key of the administrator", []string{"ADDR=0.0.0.0:0"}, 401, 404, nil, "ADDR reaches beyond this machine", "data/first-admin-key,data/first-key"},
	}
	for _, tt := range tests {
		s.stop(t, syscall.SIGTERM)
		if s, greeting = greeted(t, dir, tt.env...); s.url == "" {
			t.Fatalf("%s: it did not start: %s", tt.name, s.log)
		}
		if status := s.status(t, "HEAD", "/realtime", key, ""); status != tt.key {
			t.Errorf("%s: the first key gets %d, want %d", tt.name, status, tt.key)
		}
		if status := s.status(t, "GET", "/admin/keys", admin, ""); status != tt.admin {
			t.Errorf("%s: the first admin key gets %d, want %d", tt.name, status, tt.admin)
		}
		if tt.why != "" {
			tt.says = append(tt.says, " of the first start, since "+tt.why+"\n")
			want := `{"message":"this is the key of the first start, which is not in force, since ` + tt.why + `; send another one, or list this one in API_KEYS","code":"invalid_key"}` + "\n"
			if got := s.refusal(t, key); got != want {
				t.Errorf("%s: the first key is refused by %q, want %q", tt.name, got, want)
			}
			if got := s.refusal(t, other); !strings.Contains(got, "this API key is not known here") {
				t.Errorf("%s: another key is refused by %q", tt.name, got)
			}
		}
		for _, said := range tt.says {
			if !strings.Contains(greeting, said) {
				t.Errorf("%s: it does not say %q:\n%s", tt.name, said, greeting)
			}
		}
		if strings.Contains(greeting+s.log.String(), key) || strings.Contains(greeting+s.log.String(), admin) {
			t.Errorf("%s: it shows a key again", tt.name)
		}
		warned := ""
		if _, after, ok := strings.Cut(s.log.String(), "delete the files\" files="); ok {
			warned, _, _ = strings.Cut(after, "\n")
		}
		if warned != tt.warns {
			t.Errorf("%s: the log warns of %q, want %q:\n%s", tt.name, warned, tt.warns, s.log)
		}
		if tt.warns != "" && !strings.Contains(s.log.String(), "set ADMIN_KEY_FILE to its file") {
			t.Errorf("%s: the log names no cure:\n%s", tt.name, s.log)
		}
	}
}

// A later start prints a line that prints the link again.
func TestLinkAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, greeting := greeted(t, dir)
	first := regexp.MustCompile(`#\S+`).FindString(greeting)
	s.stop(t, syscall.SIGTERM)
	s, greeting = greeted(t, dir)
	line := regexp.MustCompile(`(?m)^  (echo .*)$`).FindStringSubmatch(greeting)
	if line == nil {
		t.Fatalf("there is no such line:\n%s", greeting)
	}
	cmd := exec.Command("sh", "-c", line[1])
	cmd.Dir = dir
	if out, err := cmd.Output(); err != nil || string(out) != s.url+"/"+first+"\n" {
		t.Errorf("%q %v, want %q", out, err, s.url+"/"+first)
	}
}

// An earlier version made no admin key. This one makes it at its next start, and prints a link with both.
func TestFirstKeyOfEarlierVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := greeted(t, dir)
	s.stop(t, syscall.SIGTERM)
	if err := os.Remove(filepath.Join(dir, "data", "first-admin-key")); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "data", "first-key"))
	if err != nil {
		t.Fatal(err)
	}
	s, greeting := greeted(t, dir)
	link := regexp.MustCompile(`#apikey=(\S+)&admin=(\S+)`).FindStringSubmatch(greeting)
	if link == nil || link[1] != strings.TrimSpace(string(key)) || !strings.Contains(greeting, "This start made an admin key. ") {
		t.Fatalf("%q in:\n%s", link, greeting)
	}
	if status := s.status(t, "GET", "/admin/stats", link[2], ""); status != 200 {
		t.Errorf("the admin key gets %d", status)
	}
}

// With DATA_DIR=memory both keys are shown once, and nothing is written. A gateway with a key in its settings makes none.
func TestNoFirstKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, greeting := greeted(t, dir, "DATA_DIR=memory")
	link := regexp.MustCompile(`#apikey=(\S+)&admin=(\S+)`).FindStringSubmatch(greeting)
	if link == nil || s.status(t, "GET", "/admin/keys", link[2], "") != 200 || s.status(t, "HEAD", "/realtime", link[1], "") != 200 {
		t.Errorf("%q in:\n%s", link, greeting)
	}
	s, greeting = greeted(t, dir, keysSetting)
	if strings.Contains(greeting, "first") || strings.Contains(greeting, "#") || s.status(t, "GET", "/admin/keys", testKey, "") != 404 {
		t.Errorf("with API_KEYS:\n%s", greeting)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "data"))
	if err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "first") }) {
		t.Errorf("%v %v", entries, err)
	}
}

// A backup has both keys, with the same mode. The API key is listed as read-only, and a refusal to delete it says how to end it.
func TestBackupOfFirstKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := greeted(t, dir)
	admin, err := os.ReadFile(filepath.Join(dir, "data", "first-admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(method, path string, to any) string {
		t.Helper()
		r, err := http.NewRequest(method, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", strings.TrimSpace(string(admin)))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || json.Unmarshal(text, to) != nil {
			t.Fatalf("%s %s: %s %v", method, path, text, err)
		}
		return answer.Status
	}
	var keys []struct {
		ID, Name        string
		ReadOnly, First bool
	}
	if status := call("GET", "/admin/keys", &keys); status != "200 OK" || len(keys) != 1 || keys[0].Name != "first-key" || !keys[0].ReadOnly || !keys[0].First {
		t.Fatalf("%s %+v", status, keys)
	}
	var refusal struct{ Message, Code string }
	if status := call("DELETE", "/admin/keys/"+keys[0].ID, &refusal); status != "409 Conflict" || refusal.Code != "read_only" || !strings.Contains(refusal.Message, "delete its file in DATA_DIR") {
		t.Errorf("deleting it: %s %+v", status, refusal)
	}
	var made struct{ Path string }
	if status := call("POST", "/admin/backup", &made); status != "201 Created" {
		t.Fatal(status)
	}
	for _, file := range []string{"first-key", "first-admin-key"} {
		info, err := os.Stat(filepath.Join(made.Path, file))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info, err)
		}
	}
}
