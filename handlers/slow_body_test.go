package handlers_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/auth/user"
)

// A request changes nothing, and mints nothing, once its credential has ended: also where the gateway took the
// credential and then waited for the body.
func TestBodyAfterTheEndOfItsCredential(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	g := newGateway(t)
	if err := g.databases.Create(ctx, "slow", ""); err != nil {
		t.Fatal(err)
	}
	name, all := "slow", []string{"*", "$db/slow"}
	rest := []string{"*:*"}
	for _, tt := range []struct{ method, path, body string }{
		{"POST", "/realtime", `{"event":"slow"}`},
		{"POST", "/realtime/token", `{"sub":["a"]}`},
		{"POST", "/rest/slow", `{"a":1}`},
		{"PUT", "/rest/slow/1", `{"a":1}`},
		{"DELETE", "/rest/slow/*", `["1"]`},
		{"POST", "/items/slow", `{"a":1}`},
		{"PATCH", "/items/slow/1", `{"a":1}`},
		{"POST", "/events", `{"db":"slow","stream":"s","type":"slow"}`},
	} {
		for what, begin := range map[string]func() (credential string, end func() error){
			"key": func() (string, func() error) {
				info, key, err := g.auth.CreateKey(ctx, auth.KeyChange{Name: &name, Sub: &all, Pub: &all, Rest: &rest})
				if err != nil {
					t.Fatal(err)
				}
				return key, func() error { return g.auth.DeleteKey(ctx, info.ID) }
			},
			"session": func() (string, func() error) {
				password, email := usersPassword, "slow@example.org"
				_ = g.auth.Users().Remove(ctx, email) // there is none at first
				if _, err := g.auth.Users().Add(ctx, email, user.Change{Password: &password, Sub: &all, Pub: &all, Rest: &rest}); err != nil {
					t.Fatal(err)
				}
				s, err := g.auth.Login(ctx, "", email, password)
				if err != nil {
					t.Fatal(err)
				}
				return s.Access, func() error { return g.auth.Logout(ctx, s.Refresh) }
			},
		} {
			if what == "session" && tt.path == "/realtime/token" {
				continue // only keys mint
			}
			credential, end := begin()
			waits := make(chan struct{})
			body, feed := io.Pipe()
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { close(waits) }}), tt.method, g.URL+tt.path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("x-apikey", credential)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Expect", "100-continue")
			ended := make(chan error, 1)
			go func() {
				<-waits // the handler reads the body
				ended <- end()
				io.WriteString(feed, tt.body)
				feed.Close()
			}()
			transport := &http.Transport{ExpectContinueTimeout: time.Minute}
			answer, err := (&http.Client{Transport: transport}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			transport.CloseIdleConnections()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != http.StatusUnauthorized || strings.Contains(string(text), `"token":`) {
				t.Errorf("%s %s by a %s: %d %s", tt.method, tt.path, what, answer.StatusCode, text)
			}
		}
	}
	if state, err := g.log.State(""); err != nil || state.Count != 0 {
		t.Errorf("%d events were stored, %v", state.Count, err)
	}
}
