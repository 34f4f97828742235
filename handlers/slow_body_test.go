package handlers_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/auth/user"
	"sluice/store/streams"
)

// A request changes nothing, and mints nothing, once its credential has ended: also where the gateway took the
// credential and then waited for the body.
func TestBodyAfterTheEndOfItsCredential(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	g := newGateway(t)
	if err := g.Databases.Create(ctx, "slow", ""); err != nil {
		t.Fatal(err)
	}
	name, all := "slow", []string{"*", "$db/slow"}
	rest := []string{"*:*"}
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/realtime", `{"event":"slow"}`},
		{"POST", "/realtime/token", `{"sub":["a"]}`},
		{"POST", "/realtime/subscriptions", `{"channels":"a"}`},
		{"POST", "/rest/slow", `{"a":1}`},
		{"PUT", "/rest/slow/1", `{"a":1}`},
		{"DELETE", "/rest/slow/*", `["1"]`},
		{"POST", "/items/slow", `{"a":1}`},
		{"PATCH", "/items/slow/1", `{"a":1}`},
		{"SEARCH", "/items/slow", `{"query":{}}`},
		{"PUT", "/db/slow/ns//streams/s/annotation", `{"a":1}`},
		{"POST", "/events", `{"db":"slow","stream":"s","type":"slow"}`},
	} {
		for what, begin := range map[string]func() (credential string, end func() error){
			"key": func() (string, func() error) {
				info, key, err := g.Auth.CreateKey(ctx, auth.KeyChange{Name: &name, Sub: &all, Pub: &all, Rest: &rest})
				if err != nil {
					t.Fatal(err)
				}
				return key, func() error { return g.Auth.DeleteKey(ctx, info.ID) }
			},
			"session": func() (string, func() error) {
				password, email := "correct horse", "slow@example.org"
				_ = g.Auth.Users().Remove(ctx, email) // there is none at first
				if _, err := g.Auth.Users().Add(ctx, email, user.Change{Password: &password, Sub: &all, Pub: &all, Rest: &rest}); err != nil {
					t.Fatal(err)
				}
				s, err := g.Auth.Login(ctx, "", email, password)
				if err != nil {
					t.Fatal(err)
				}
				return s.Access, func() error { return g.Auth.Logout(ctx, s.Refresh) }
			},
		} {
			if what == "session" && tt.path == "/realtime/token" {
				continue // only keys mint
			}
			credential, end := begin()
			status, text := g.slowly(t, tt.method, tt.path, tt.body, func(r *http.Request) { r.Header.Set("x-apikey", credential) }, end)
			if status != http.StatusUnauthorized || strings.Contains(text, `"token":`) {
				t.Errorf("%s %s by a %s: %d %s", tt.method, tt.path, what, status, text)
			}
		}
	}
	if state, err := g.Log.State(""); err != nil || state.Count != 0 {
		t.Errorf("%d events were stored, %v", state.Count, err)
	}
}

// So it is for accounts of databases, which may be deactivated or lose their role meanwhile.
func TestBodyAfterTheEndOfItsAccount(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	g := newGateway(t)
	ends := map[string]func(id string) error{
		"deactivated": func(string) error { return g.Accounts.SetActive(ctx, "slow", false) },
		"destroyed":   func(string) error { return g.Accounts.Destroy(ctx, "slow") },
		"no member":   func(id string) error { return g.Databases.Grant(ctx, "slow", id, streams.Reader) },
	}
	if err := g.Databases.Create(ctx, "slow", ""); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ method, path, body string }{
		{"PUT", "/events/1", `{"data":{},"meta":{"db":"slow","stream":"s","type":"slow"}}`},
		{"PUT", "/db/slow/ns//streams/s/annotation", `{"a":1}`},
	} {
		for what, end := range ends {
			_ = g.Accounts.Destroy(ctx, "slow") // there is none at first
			a, err := g.Accounts.Create(ctx, "slow", "slow", "s3cret-s3cret")
			if err == nil {
				err = g.Databases.Grant(ctx, "slow", a.ID, streams.Member)
			}
			if err != nil {
				t.Fatal(err)
			}
			status, text := g.slowly(t, tt.method, tt.path, tt.body, func(r *http.Request) { r.SetBasicAuth("slow", "s3cret-s3cret") }, func() error { return end(a.ID) })
			if status != http.StatusUnauthorized && status != http.StatusForbidden {
				t.Errorf("%s %s of one who is %s: %d %s", tt.method, tt.path, what, status, text)
			}
		}
	}
}

// slowly sends a request whose body comes only after the gateway has let it in and end was called.
func (g *gateway) slowly(t *testing.T, method, path, body string, sign func(*http.Request), end func() error) (status int, text string) {
	t.Helper()
	waits := make(chan struct{})
	reads, feed := io.Pipe()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(waits) }})
	r, err := http.NewRequestWithContext(ctx, method, g.URL+path, reads)
	if err != nil {
		t.Fatal(err)
	}
	sign(r)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	refused, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		select {
		case <-waits: // the handler reads the body
			ended <- end()
		case <-refused:
			ended <- errors.New("it was refused before its body was read")
		}
		io.WriteString(feed, body)
		feed.Close()
	}()
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	close(refused)
	if err := <-ended; err != nil {
		t.Fatal(method, path, err, answer.StatusCode, string(got))
	}
	return answer.StatusCode, string(got)
}
