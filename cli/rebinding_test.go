package cli_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A page of a foreign site that reaches a gateway on loopback by DNS rebinding gets nothing there without a credential
// that is a secret.
func TestDNSRebinding(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	metrics := "http://" + probe.Addr().String()
	probe.Close()
	dir := t.TempDir()
	first := start(t, dir)
	s := start(t, t.TempDir(), "PERSISTR_DEMO=true", "METRICS_ADDR="+strings.TrimPrefix(metrics, "http://"))
	proxied := start(t, t.TempDir(), "PERSISTR_DEMO=true", "TRUSTED_PROXIES=127.0.0.1")
	ask := func(host, method, url, credential string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
			r.Header.Set("Origin", "http://"+host)
		}
		if credential != "" {
			name, password, _ := strings.Cut(credential, ":")
			r.SetBasicAuth(name, password)
		}
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
	for _, one := range []struct{ method, url, credential string }{
		{"GET", s.url + "/metrics", ""},
		{"GET", metrics + "/metrics", ""},
		{"GET", metrics + "/debug/pprof/", ""},
		{"GET", s.url + "/db", "demo:demo"},
		{"GET", s.url + "/accounts/current", "demo:demo"},
		{"GET", first.url + "/realtime", ""},
		{"POST", first.url + "/realtime", ""},
		{"POST", first.url + "/new", ""},
		{"GET", first.url + "/admin/keys", ""},
		{"GET", first.url + "/db", ""},
		{"GET", first.url + "/items/a", ""},
		{"GET", first.url + "/rest/a", ""},
		{"GET", first.url + "/debug/pprof/", ""},
	} {
		if status, text := ask("evil.example:8080", one.method, one.url, one.credential); status < 400 {
			t.Errorf("%s %s: %d %.200s", one.method, one.url, status, text)
		}
	}
	// Nor does a page that asks for loopback by its address: Host is right then, and Origin is not.
	for origin, want := range map[string]int{"https://evil.example": 403, "null": 403, "http://127.0.0.1.evil.example": 403, "http://localhost:5173": 200, "http://[::1]": 200} {
		r, err := http.NewRequest("GET", s.url+"/db", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		r.SetBasicAuth("demo", "demo")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("a page of %s: %d, want %d", origin, answer.StatusCode, want)
		}
	}
	// The admin key of a first start opens /admin to no page of another origin, even if the page knows it.
	admin, err := os.ReadFile(filepath.Join(dir, "data", "first-admin-key"))
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]int{"GET": 200, "OPTIONS": 204} {
		r, err := http.NewRequest(method, first.url+"/admin/keys", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "GET")
		r.Header.Set("Access-Control-Request-Headers", "x-apikey")
		r.Header.Set("x-apikey", strings.TrimSpace(string(admin)))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a page asks by %s: %d, allowed for %q", method, answer.StatusCode, answer.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	for _, one := range []struct{ host, url, credential string }{
		{"", s.url + "/metrics", ""},
		{"localhost:1", metrics + "/metrics", ""},
		{"", s.url + "/db", "demo:demo"},
		{"localhost:5173", s.url + "/db", "demo:demo"},
		{"demo.example", proxied.url + "/db", "demo:demo"}, // a proxy that passes the Host on
	} {
		if status, text := ask(one.host, "GET", one.url, one.credential); status != 200 {
			t.Errorf("%s of %q: %d %.200s", one.url, one.host, status, text)
		}
	}
}
