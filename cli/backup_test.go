package cli_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A copy of a running gateway is a DATA_DIR: events, stored keys, the secret of tokens, accounts and databases are in
// it, and the gateway it was taken from goes on.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const adminKey = "admin-key-0123456789"
	settings := []string{"ADMIN_KEY=" + adminKey, "PERSISTR_DEMO=true", keysSetting}
	s := start(t, dir, settings...)
	for i := range 50 {
		if code, text, err := s.post(`{"event":"n","data":` + string(rune('0'+i%10)) + `}`); err != nil || code != 200 {
			t.Fatal(code, text, err)
		}
	}
	ask := func(s *server, method, path, key, auth, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if auth != "" {
			r.Header.Set("Authorization", auth)
		} else {
			r.Header.Set("x-apikey", key)
		}
		return do(t, r)
	}
	code, made := ask(s, http.MethodPost, "/admin/keys", adminKey, "", `{"name":"app","sub":["*"],"pub":["*"]}`)
	if code != http.StatusCreated {
		t.Fatal(code, made)
	}
	key := field(made, "key")
	_, token := ask(s, http.MethodPost, "/realtime/token", key, "", `{"pub":["n"],"ttl":"1h"}`)
	demo := "Basic ZGVtbzpkZW1v"
	if code, text := ask(s, http.MethodPost, "/events", "", demo, `{"meta":{"db":"demo","stream":"s","type":"x","id":"1"}}`); code != http.StatusCreated {
		t.Fatal(code, text)
	}
	out, errOut, exit := run(t, "", []string{"ADMIN_KEY=" + adminKey}, "backup", s.url)
	path := strings.TrimSpace(out)
	if exit != 0 || !filepath.IsAbs(path) {
		t.Fatal(exit, out, errOut)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info, err)
	}
	if code, text, err := s.post(`{"event":"after","data":1}`); err != nil || code != 200 {
		t.Fatal(code, text, err)
	}
	if _, errOut, exit := run(t, "", []string{"ADMIN_KEY=wrong-key-0123456789"}, "backup", s.url); exit != 1 || !strings.Contains(errOut, "ADMIN_KEY") {
		t.Error(exit, errOut)
	}
	s.stop(t, syscall.SIGKILL)

	restored := start(t, t.TempDir(), append(settings, "DATA_DIR="+path)...)
	out, errOut, exit = run(t, "", []string{"SLUICE_KEY=" + key}, "subscribe", "--json", "--until", "caught-up", restored.url)
	if exit != 0 || strings.Count(out, "\n") != 50 || strings.Contains(out, "after") {
		t.Errorf("%d: %d events, %s", exit, strings.Count(out, "\n"), errOut)
	}
	if code, text := ask(restored, http.MethodPost, "/realtime", "", "Bearer "+field(token, "token"), `{"event":"n"}`); code != 200 {
		t.Errorf("the token is not good: %d %s", code, text)
	}
	if code, text := ask(restored, http.MethodGet, "/db/demo/ns//streams/s/events/1", "", demo, ""); code != 200 {
		t.Errorf("the database is not there: %d %s", code, text)
	}
}

func do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// field is a text of a JSON object.
func field(object, name string) string {
	_, rest, _ := strings.Cut(object, `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
