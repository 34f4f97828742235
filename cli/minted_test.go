package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What the key of a first start has minted is good over restarts, until the key was not in force once.
func TestMintedByFirstKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	key, err := os.ReadFile(filepath.Join(dir, "data", "first-key"))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, credential, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, strings.TrimSuffix(s.url, ".")+map[string]string{http.MethodHead: "/realtime", http.MethodPost: "/realtime/token"}[method], strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", credential)
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var got struct{ Token string }
		if method == http.MethodPost && json.NewDecoder(answer.Body).Decode(&got) != nil {
			t.Error("the answer is not JSON")
		}
		return answer.StatusCode, got.Token
	}
	status, token := ask(http.MethodPost, strings.TrimSpace(string(key)), `{"sub":["a"],"ttl":"1h"}`)
	if status != http.StatusOK {
		t.Fatalf("minting: %d", status)
	}
	for i, step := range []struct {
		env  []string
		want int
	}{{nil, 200}, {[]string{keysSetting}, 401}, {nil, 401}} {
		if err := s.stop(t, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		s = start(t, dir, step.env...)
		if status, _ := ask(http.MethodHead, token, ""); status != step.want {
			t.Errorf("start %d: %d, want %d", i+2, status, step.want)
		}
	}
}
