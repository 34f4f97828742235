package handlers_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// Addresses in answers have the path that a trusted proxy took off in front, and nobody else's word counts.
func TestForwardedPrefix(t *testing.T) {
	t.Parallel()
	_, loopback, err := net.ParseCIDR("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	trusting := newGateway(t, gatewaytest.WithDemo, everything, func(s *setup) { s.TrustedProxies = []*net.IPNet{loopback} })
	strange := newGateway(t, gatewaytest.WithDemo, everything)
	for _, tt := range []struct {
		g            *gateway
		prefix, want string
	}{
		{trusting, "", ""},
		{trusting, "/sluice", "/sluice"},
		{trusting, "sluice/", "/sluice"},
		{trusting, "/a/b c>/", "/a/b%20c%3E"},
		{trusting, "//evil.example", "/evil.example"},
		{strange, "/sluice", ""},
	} {
		ask := func(method, path, body string) (*http.Response, string) {
			t.Helper()
			r, err := http.NewRequest(method, tt.g.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", gatewaytest.Basic("demo", "demo"))
			r.Header.Set("Accept", "application/json")
			r.Header.Set("X-Forwarded-Prefix", tt.prefix)
			answer, err := tt.g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode >= 300 {
				t.Fatal(answer.Status, string(text), err)
			}
			return answer, string(text)
		}
		for range 2 {
			ask("POST", "/events", `{"data":{},"meta":{"db":"demo","stream":"s","type":"t"}}`)
		}
		answer, text := ask("GET", "/db/demo/events?limit=1&schema=jsonapi", "")
		var page struct{ Links struct{ Next string } }
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		next := tt.want + "/db/demo/events?"
		if link := answer.Header.Get("Link"); !strings.HasPrefix(link, "<"+next) || !strings.HasPrefix(page.Links.Next, next) {
			t.Errorf("prefix %q: the next page is at %s and %s, want %s", tt.prefix, link, page.Links.Next, next)
		}
		room := tt.g.NewRoom(t)
		host := strings.TrimPrefix(tt.g.URL, "http")
		_, text = ask("GET", "/room/"+room, "")
		for _, want := range []string{`"ws` + host + tt.want + "/room/" + room + `/connect"`, `"http` + host + tt.want + "/room/" + room + `/send"`} {
			if !strings.Contains(text, want) {
				t.Errorf("prefix %q: the room is at %s, want %s", tt.prefix, text, want)
			}
		}
	}
}
