package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// Nobody can guess the admin key at any door. One line of the log has the count of all tries, and the right key still works.
func TestGuessedAdminKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo)
	right := func(want int) {
		t.Helper()
		for _, headers := range [][]string{{"x-apikey", gatewaytest.AdminKey}, {"Authorization", gatewaytest.Basic("root", gatewaytest.AdminKey)}, {"Authorization", "Apikey " + gatewaytest.AdminKey}} {
			path := map[string]string{"x-apikey": "/admin/keys", "Authorization": "/accounts"}[headers[0]]
			if status, text := g.Request(t, "GET", path, "", headers...); status != want {
				t.Errorf("the right key at %s: %d %s, want %d", path, status, text, want)
			}
		}
	}
	guess := func() (statuses map[int]int) {
		statuses = map[int]int{}
		for n := range 1000 {
			for path, headers := range map[string][]string{
				"/admin/keys": {"x-apikey", fmt.Sprint("guess-", n)}, "/accounts": {"Authorization", gatewaytest.Basic("root", fmt.Sprint("guess-", n))},
			} {
				status, _ := g.Request(t, "GET", path, "", headers...)
				statuses[status]++
			}
		}
		return statuses
	}
	right(200)
	for range 50 { // an expired key is no guess
		if status, _ := g.Request(t, "GET", "/accounts", "", "Authorization", "Apikey "+gatewaytest.KeyExpired); status != 401 {
			t.Fatalf("an expired key: %d", status)
		}
	}
	if got := guess(); got[401] < 30 || got[401] > 50 || got[429] != 2000-got[401] {
		t.Errorf("%v", got)
	}
	if status, text := g.Request(t, "GET", "/metrics", "", "Via", "1.1 a", "x-apikey", "guess"); status != 429 {
		t.Errorf("/metrics: %d %s", status, text)
	}
	right(200) // it has come from there before
	found := g.AwaitAudit(t, "credential.refuse", 6)
	if len(found) != 6 { // two doors, 401 and 429, the expired key, and the metrics
		t.Errorf("%v", found)
	}
}

// An EventSource whose address has no tries left gets busy, which makes it come back; others get 429 and Retry-After.
func TestGuessedKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	if status, _ := g.Request(t, "GET", "/rest/a", "", "x-apikey", gatewaytest.KeyPut); status != 403 {
		t.Fatal(status)
	}
	got := map[int]int{}
	for n := range 500 {
		status, _ := g.Request(t, "GET", "/rest/a", "", "x-apikey", fmt.Sprint("guess-", n))
		got[status]++
	}
	if got[401] < 300 || got[401] > 400 || got[429] != 500-got[401] {
		t.Errorf("%v", got)
	}
	guess := func(path string, headers ...string) (int, string) {
		t.Helper()
		for range 20 { // one more passes five times a second
			status, text := g.Request(t, "GET", path, "", append(headers, "x-apikey", "guess")...)
			if status != 401 {
				return status, text
			}
		}
		return 401, ""
	}
	for _, path := range []string{"/realtime", "/rest/a", "/items/a", "/db"} {
		if status, text := guess(path); status != 429 || !strings.Contains(text, "too many wrong credentials") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := guess("/realtime", "Accept", "text/event-stream", "Last-Event-ID", "42"); status != 200 || !strings.Contains(text, "event: busy\nid: 42\n") || !strings.Contains(text, "429") {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := g.Request(t, "GET", "/rest/a", "", "x-apikey", gatewaytest.KeyPut); status != 403 {
		t.Errorf("a key that has come from there before: %d", status)
	}
}

// Beside another credential the admin key is an API key, and an unknown one: else the refusal of the two, which is not
// charged, would show whether an admin key is right.
func TestAdminKeyBesideAnotherCredential(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo)
	for _, other := range []struct {
		query   string
		headers []string
	}{
		{"", []string{"x-apikey", "other"}},
		{"", []string{"x-apikey", gatewaytest.KeyAll}},
		{"?apikey=other", nil},
		{"?token=other", nil},
		{"?access_token=a.b.c", nil},
	} {
		var got []string
		for _, key := range []string{"guess", gatewaytest.AdminKey} {
			status, text := g.Request(t, "GET", "/accounts"+other.query, "", append(other.headers, "Authorization", "Apikey "+key)...)
			got = append(got, fmt.Sprint(status, text))
		}
		if got[0] != got[1] || strings.HasPrefix(got[1], "2") {
			t.Errorf("%+v: %q", other, got)
		}
	}
}

// Who has used up the tries of API keys has no more of the admin key for that.
func TestGuessedAdminKeysOfExhaustedAddress(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo)
	for n := range 400 {
		g.Request(t, "GET", "/rest/a", "", "x-apikey", fmt.Sprint("guess-", n))
	}
	for n := range 100 {
		g.Request(t, "GET", "/rest/a", "", "x-apikey", "one more") // it takes what comes back
		g.Request(t, "GET", "/accounts", "", "Authorization", fmt.Sprint("Apikey guess-", n))
	}
	if status, text := g.Request(t, "GET", "/accounts", "", "Authorization", "Apikey "+gatewaytest.AdminKey); status != 429 {
		t.Errorf("the right key after 100 guesses: %d %s", status, text)
	}
}
