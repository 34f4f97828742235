//go:build unix

package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/gatewaytest"
)

const jwtEverywhere = "a secret of an issuer, for the tests of clusters"

// everywhere starts three gateways of a cluster, with a real journal.
func everywhere(t *testing.T, change ...func(*setup)) (all []client) {
	for _, g := range gatewaytest.Cluster(t, 3, func(s *gatewaytest.Setup) {
		s.APIKeys = fmt.Sprintf(`[{"name":"all","key":%q,"sub":["*"],"pub":["*"],"rest":["*:*"]}]`, keyBehind)
		s.JWTSecret = []string{jwtEverywhere}
		for _, f := range change {
			f(s)
		}
	}) {
		all = append(all, client{t, g})
	}
	return all
}

// issued is a token of an issuer.
func issued(t *testing.T, subject, id string) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": subject, "jti": id, "exp": time.Now().Add(time.Hour).Unix(), "realtime": map[string]any{"sub": []string{"*"}, "pub": []string{"*"}},
	}).SignedString([]byte(jwtEverywhere))
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + token
}

// open opens a stream with a credential, and returns its answer.
func (c client) open(credential, path string) *http.Response {
	name := "x-apikey"
	if strings.Contains(credential, " ") {
		name = "Authorization"
	}
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.g.URL+path, nil)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	r.Header.Set(name, credential)
	r.Header.Set("Accept", "text/event-stream")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	c.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// keyNamed is the id of a key.
func (c client) keyNamed(name string) string {
	c.t.Helper()
	for _, k := range c.g.AsAdmin(c.t, "GET", "/admin/keys?search="+name, "", 200)["list"].([]any) {
		if k.(map[string]any)["name"] == name {
			return k.(map[string]any)["id"].(string)
		}
	}
	c.t.Fatalf("there is no key %s", name)
	return ""
}

// atOnce calls f for all gateways in the same instant, and waits for all.
func atOnce(all []client, f func(i int, c client)) {
	var calls sync.WaitGroup
	for i, c := range all {
		calls.Go(func() { f(i, c) })
	}
	calls.Wait()
}

// cutMost is the time in which what was revoked at one gateway ends at all of them.
const cutMost = time.Second

// A credential that is made at one gateway is good at all of them in the same instant. Once it is revoked at another one, the
// streams of all of them end within a second, and none of them takes it again.
func TestCredentialsEverywhere(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	all := everywhere(t, app.decides)
	for i, one := range []struct {
		name   string
		make   func(a client) (credential string)
		path   string // of the stream; /realtime if it is empty
		asks   string // what has an end, for who comes back
		revoke func(b client, credential string)
		after  int // the status of who comes back; 401 if it is 0
	}{
		{name: "key", make: func(a client) string { return a.key(anyKey, "key") }, revoke: func(b client, _ string) {
			b.admin("DELETE", "/admin/keys/"+b.keyNamed("k"), "", "")
		}},
		{name: "token of a key", make: func(a client) string {
			key := a.key(`{"name":"minter","sub":["*"],"pub":["*"]}`, "key")
			return "Bearer " + a.do(key, "POST", "/realtime/token", `{"sub":["*"],"ttl":"1m"}`, "token")
		}, revoke: func(b client, credential string) {
			b.admin("POST", "/admin/revocations", `{"jti":"`+jti(b.t, credential)+`"}`, "")
		}},
		{name: "token by its jti", make: func(a client) string { return issued(a.t, "ada", "token-1") }, revoke: func(b client, _ string) {
			b.admin("POST", "/admin/revocations", `{"jti":"token-1"}`, "")
		}},
		{name: "token by its subject", make: func(a client) string { return issued(a.t, "bob", "token-2") }, revoke: func(b client, _ string) {
			b.admin("POST", "/admin/revocations", `{"subject":"bob"}`, "")
		}},
		{name: "session of the application by its subject", make: func(client) string { return "Bearer ann" }, revoke: func(b client, _ string) {
			app.set("ann", "")
			b.admin("POST", "/admin/revocations", `{"subject":"42"}`, "")
		}},
		{name: "user who is removed", make: func(a client) string {
			a.user("e1")
			return "Bearer " + a.login("e1", "access_token")
		}, revoke: func(b client, _ string) { b.admin("DELETE", "/admin/users/e1@example.org", "", "") }},
		{name: "user with a new password", make: func(a client) string {
			a.user("e2")
			return "Bearer " + a.login("e2", "access_token")
		}, revoke: func(b client, _ string) {
			b.admin("PATCH", "/admin/users/e2@example.org", `{"password":"battery staple"}`, "")
		}},
		{name: "grant of a database", path: "/db/e3/events", asks: "/db/e3/ns", make: func(a client) string {
			a.do(root, "POST", "/accounts/e3", `{"name":"e3","password":"secret"}`, "")
			a.database("e3")
			a.do(root, "POST", "/db/e3/grant?username=e3&role=reader", "", "")
			return gatewaytest.Basic("e3", "secret")
		}, revoke: func(b client, _ string) { b.do(root, "POST", "/db/e3/revoke?username=e3", "", "") }, after: 403},
		{name: "account that is deactivated", path: "/db/e4/events", asks: "/db/e4/ns", make: func(a client) string {
			a.do(root, "POST", "/accounts/e4", `{"name":"e4","password":"secret"}`, "")
			a.database("e4")
			a.do(root, "POST", "/db/e4/grant?username=e4&role=reader", "", "")
			return gatewaytest.Basic("e4", "secret")
		}, revoke: func(b client, _ string) { b.do(root, "POST", "/accounts/e4/deactivate", "", "") }},
	} {
		if one.path == "" {
			one.path, one.asks = "/realtime", "/realtime?until=caught-up"
		}
		credential := one.make(all[i%3])
		var streams [3]*http.Response
		atOnce(all, func(i int, c client) {
			if streams[i] = c.open(credential, one.path); streams[i] != nil && streams[i].StatusCode != http.StatusOK {
				text, _ := io.ReadAll(streams[i].Body)
				t.Errorf("%s: gateway %d: %s %s", one.name, i, streams[i].Status, text)
				streams[i] = nil
			}
		})
		one.revoke(all[(i+1)%3], credential)
		revoked := time.Now()
		atOnce(all, func(i int, c client) {
			if streams[i] == nil {
				return
			}
			cut := time.AfterFunc(cutMost, func() { // ends with the test, at the latest
				t.Errorf("%s: the stream at gateway %d does not end", one.name, i)
				streams[i].Body.Close()
			})
			io.Copy(io.Discard, streams[i].Body)
			cut.Stop()
			if status, text := c.as(credential, "GET", one.asks, ""); status != max(one.after, http.StatusUnauthorized) {
				t.Errorf("%s: gateway %d: %d %s, %s after the end", one.name, i, status, text, time.Since(revoked))
			}
		})
	}
}

// jti is the id of a token.
func jti(t *testing.T, credential string) string {
	var claims jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(strings.TrimPrefix(credential, "Bearer "), &claims); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(claims["jti"])
}

// What is made at one gateway is there for all of them in the same instant: a room, a document, a database.
func TestMadeEverywhere(t *testing.T) {
	t.Parallel()
	all := everywhere(t)
	for i, one := range []struct {
		name string
		make func(a client) question
	}{
		{"room", func(a client) question {
			return asks(keyBehind, "POST", "/room/"+a.room()+"/send", `{"type":"push","action":{"type":"append"},"key":"k","value":1}`)
		}},
		{"stream of a room", func(a client) question { return asks(keyBehind, "HEAD", "/room/"+a.room()+"/events", "") }},
		{"document", func(a client) question { return asks(keyBehind, "GET", "/rest/c/"+a.document(), "") }},
		{"item", func(a client) question { return asks(keyBehind, "GET", "/items/c/"+a.document(), "") }},
		{"database", func(a client) question { a.database("f1"); return asks(root, "GET", "/db/f1/ns", "") }},
		{"event of a database", func(a client) question {
			a.database("f2")
			a.do(root, "POST", "/events", fmt.Sprintf(anEvent, "f2", ""), "")
			return asks(root, "GET", "/db/f2/ns//streams/s/events/1", "")
		}},
		{"user", func(a client) question {
			a.user("f3")
			return asks(keyBehind, "POST", "/auth/login", `{"email":"f3@example.org","password":"correct horse"}`)
		}},
		{"changed password", func(a client) question {
			a.user("f4")
			a.admin("PATCH", "/admin/users/f4@example.org", `{"password":"battery staple"}`, "")
			return asks(keyBehind, "POST", "/auth/login", `{"email":"f4@example.org","password":"battery staple"}`)
		}},
		{"id of an event", func(a client) question {
			id := a.do(keyBehind, "POST", "/realtime", `{"event":"e"}`, "id")
			return func(b client) (int, string) {
				status, text := b.as(keyBehind, "GET", "/realtime?until=caught-up", "", "Last-Event-ID", id)
				if strings.Contains(text, "gap") {
					return 0, text
				}
				return status, text
			}
		}},
	} {
		for n := range 5 { // a gateway that is late by chance is seen more often
			if n > 0 && strings.Contains("database event of a database user changed password", one.name) {
				break // these have a name, which can be made once
			}
			ask := one.make(all[(i+n)%3])
			atOnce(all, func(i int, c client) {
				if status, text := ask(c); status/100 != 2 {
					t.Errorf("%s: gateway %d: %d %s", one.name, i, status, text)
				}
			})
		}
	}
}
