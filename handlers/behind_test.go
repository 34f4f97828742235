package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/gatewaytest"
)

const keyBehind = "key-behind-0123456789"

// behind starts two gateways in a bubble. The key may do everything at both.
func behind(t *testing.T) *gatewaytest.Pair {
	return gatewaytest.StartPair(t, gatewaytest.InBubble, func(s *gatewaytest.Setup) {
		s.APIKeys = fmt.Sprintf(`[{"name":"all","key":%q,"sub":["*","$db/d4"],"pub":["*","$db/d4"],"rest":["*:*"]}]`, keyBehind)
	})
}

// client sends requests to one gateway.
type client struct {
	t *testing.T
	g *gatewaytest.Gateway
}

// as sends a request with a credential: an Authorization, or else an API key.
func (c client) as(credential, method, path, body string, headers ...string) (status int, text string) {
	name := "x-apikey"
	if strings.Contains(credential, " ") {
		name = "Authorization"
	}
	return c.g.Request(c.t, method, path, body, append(headers, name, credential)...)
}

// do is as for a request that must succeed. It returns a field of the answer, which may be in an object "data".
func (c client) do(credential, method, path, body, field string) string {
	c.t.Helper()
	status, text := c.as(credential, method, path, body)
	if status >= 300 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	var fields map[string]any
	if field == "" || json.Unmarshal([]byte(text), &fields) != nil {
		return ""
	}
	if inner, ok := fields["data"].(map[string]any); ok {
		fields = inner
	}
	return fmt.Sprint(fields[field])
}

func (c client) admin(method, path, body, field string) string {
	c.t.Helper()
	return c.do(gatewaytest.AdminKey, method, path, body, field)
}

// question is what a client asks a gateway.
type question func(b client) (status int, text string)

func asks(credential, method, path, body string, headers ...string) question {
	return func(b client) (int, string) { return b.as(credential, method, path, body, headers...) }
}

var root = gatewaytest.Basic("root", gatewaytest.AdminKey)

const aUser = `{"email":"%s@example.org","password":"correct horse","sub":["*"],"pub":["*"]}`

func (c client) user(name string) string {
	return c.admin("POST", "/admin/users", fmt.Sprintf(aUser, name), "id")
}

func (c client) login(name, field string) string {
	return c.do(keyBehind, "POST", "/auth/login", fmt.Sprintf(`{"email":"%s@example.org","password":"correct horse"}`, name), field)
}

func (c client) key(body string, field string) string {
	return c.admin("POST", "/admin/keys", body, field)
}

func (c client) document() string { return c.do(keyBehind, "POST", "/rest/c", `{"x":1}`, "_id") }

const anEvent = `{"data":{},"meta":{"db":"%s","ns":"%s","stream":"s","type":"t","id":"1"}}`

func (c client) database(name string) { c.do(root, "PUT", "/db/"+name, "", "") }

func (c client) room() string { return c.do(keyBehind, "POST", "/new", "", "room") }

const anyKey = `{"name":"k","sub":["*"],"pub":["*"],"rest":["*:*"]}`

// behindCases are things that are made at A, and then asked for at B, which does not have them yet.
var behindCases = []struct {
	name   string
	before func(a client) string                  // B has it
	make   func(a client, before string) question // B does not
	want   int
	has    string
}{
	{name: "key", make: func(a client, _ string) question {
		return asks(a.key(anyKey, "key"), "POST", "/realtime", `{"event":"e"}`)
	}, want: 200},
	{name: "token of a key", make: func(a client, _ string) question {
		return asks("Bearer "+a.do(a.key(anyKey, "key"), "POST", "/realtime/token", `{"sub":["*"],"pub":["*"],"ttl":"1m"}`, "token"), "POST", "/realtime", `{"event":"e"}`)
	}, want: 200},
	{name: "key by id", make: func(a client, _ string) question {
		return asks(gatewaytest.AdminKey, "GET", "/admin/keys/"+a.key(anyKey, "id"), "")
	}, want: 200},
	{name: "change of a key", make: func(a client, _ string) question {
		return asks(gatewaytest.AdminKey, "PATCH", "/admin/keys/"+a.key(anyKey, "id"), `{"name":"other"}`)
	}, want: 200},
	{name: "removal of a key", make: func(a client, _ string) question {
		return asks(gatewaytest.AdminKey, "DELETE", "/admin/keys/"+a.key(anyKey, "id"), "")
	}, want: 204},
	{name: "key with a new end", before: func(a client) string {
		status, text := a.as(gatewaytest.AdminKey, "POST", "/admin/keys", `{"name":"k","pub":["*"],"expires":"2000-01-01T00:00:01Z"}`)
		if status != 201 {
			a.t.Fatal(status, text)
		}
		time.Sleep(2 * time.Second) // the bubble begins at 2000-01-01
		return text
	}, make: func(a client, text string) question {
		var k struct{ ID, Key string }
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			a.t.Fatal(err)
		}
		a.admin("PATCH", "/admin/keys/"+k.ID, `{"expires":null}`, "")
		return asks(k.Key, "POST", "/realtime", `{"event":"e"}`)
	}, want: 200},

	{name: "user", make: func(a client, _ string) question {
		a.user("b1")
		return asks(keyBehind, "POST", "/auth/login", `{"email":"b1@example.org","password":"correct horse"}`)
	}, want: 200},
	{name: "new password", before: func(a client) string { return a.user("b2") }, make: func(a client, _ string) question {
		a.admin("PATCH", "/admin/users/b2@example.org", `{"password":"battery staple"}`, "")
		return asks(keyBehind, "POST", "/auth/login", `{"email":"b2@example.org","password":"battery staple"}`)
	}, want: 200},
	{name: "access token of a session", before: func(a client) string { return a.user("b3") }, make: func(a client, _ string) question {
		return asks("Bearer "+a.login("b3", "access_token"), "GET", "/users/me", "")
	}, want: 200},
	{name: "refresh token", before: func(a client) string { return a.user("b4") }, make: func(a client, _ string) question {
		return asks(keyBehind, "POST", "/auth/refresh", `{"refresh_token":"`+a.login("b4", "refresh_token")+`"}`)
	}, want: 200},
	{name: "second refresh token", before: func(a client) string {
		a.user("b5")
		return a.login("b5", "refresh_token")
	}, make: func(a client, first string) question {
		next := a.do(keyBehind, "POST", "/auth/refresh", `{"refresh_token":"`+first+`"}`, "refresh_token")
		return asks(keyBehind, "POST", "/auth/refresh", `{"refresh_token":"`+next+`"}`)
	}, want: 200},
	{name: "user by email", make: func(a client, _ string) question {
		a.user("b6")
		return asks(gatewaytest.AdminKey, "GET", "/admin/users/b6@example.org", "")
	}, want: 200},
	{name: "change of a user", make: func(a client, _ string) question {
		a.user("b7")
		return asks(gatewaytest.AdminKey, "PATCH", "/admin/users/b7@example.org", `{"sub":[]}`)
	}, want: 200},
	{name: "removal of a user", make: func(a client, _ string) question {
		a.user("b8")
		return asks(gatewaytest.AdminKey, "DELETE", "/admin/users/b8@example.org", "")
	}, want: 204},
	{name: "email of a user who is gone", before: func(a client) string { return a.user("b9") }, make: func(a client, _ string) question {
		a.admin("DELETE", "/admin/users/b9@example.org", "", "")
		return asks(gatewaytest.AdminKey, "POST", "/admin/users", fmt.Sprintf(aUser, "b9"))
	}, want: 201},

	{name: "document", make: func(a client, _ string) question { return asks(keyBehind, "GET", "/rest/c/"+a.document(), "") }, want: 200, has: `"x":1`},
	{name: "change of a document", make: func(a client, _ string) question {
		return asks(keyBehind, "PUT", "/rest/c/"+a.document(), `{"y":2}`)
	}, want: 200, has: `"x":1`},
	{name: "removal of a document", make: func(a client, _ string) question { return asks(keyBehind, "DELETE", "/rest/c/"+a.document(), "") }, want: 200, has: `"result":["`},
	{name: "removal of documents", make: func(a client, _ string) question {
		return asks(keyBehind, "DELETE", "/rest/c/*", `["`+a.document()+`"]`)
	}, want: 200, has: `"result":["`},
	{name: "item", make: func(a client, _ string) question { return asks(keyBehind, "GET", "/items/c/"+a.document(), "") }, want: 200, has: `"x":1`},
	{name: "item with a filter", make: func(a client, _ string) question {
		return asks(keyBehind, "GET", "/items/c/"+a.document()+`?filter=%7B%22x%22:%7B%22_eq%22:1%7D%7D`, "")
	}, want: 200, has: `"x":1`},
	{name: "change of an item", make: func(a client, _ string) question {
		return asks(keyBehind, "PATCH", "/items/c/"+a.document(), `{"y":2}`)
	}, want: 200, has: `"x":1`},

	{name: "room", make: func(a client, _ string) question { return asks(keyBehind, "GET", "/room/"+a.room(), "") }, want: 200},
	{name: "push to a room", make: func(a client, _ string) question {
		return asks(keyBehind, "POST", "/room/"+a.room()+"/send", `{"type":"push","action":{"type":"append"},"key":"k","value":1}`)
	}, want: 200},
	{name: "presence in a room", make: func(a client, _ string) question {
		return asks(keyBehind, "GET", "/room/"+a.room()+"/presence", "")
	}, want: 200},
	{name: "stream of a room", make: func(a client, _ string) question {
		return asks(keyBehind, "HEAD", "/room/"+a.room()+"/events", "")
	}, want: 200},
	{name: "number of a push", before: client.room, make: func(a client, room string) question {
		const push = `{"type":"push","action":{"type":"append"},"key":"k","value":%d}`
		for n := range 2 {
			a.do(keyBehind, "POST", "/room/"+room+"/send", fmt.Sprintf(push, n+1), "")
		}
		return asks(keyBehind, "POST", "/room/"+room+"/send", `{"type":"get","key":"k","seq":1}`)
	}, want: 200, has: `"value":2`},

	{name: "account", make: func(a client, _ string) question {
		a.do(root, "POST", "/accounts/c1", `{"name":"c1","password":"secret"}`, "")
		return asks(gatewaytest.Basic("c1", "secret"), "GET", "/accounts/current", "")
	}, want: 200, has: `"c1"`},
	{name: "profile of an account", make: func(a client, _ string) question {
		a.do(root, "POST", "/accounts/c2", `{"name":"c2","password":"secret"}`, "")
		return asks(root, "GET", "/accounts/c2", "")
	}, want: 200},
	{name: "deactivation of an account", make: func(a client, _ string) question {
		a.do(root, "POST", "/accounts/c3", `{"name":"c3","password":"secret"}`, "")
		return asks(root, "POST", "/accounts/c3/deactivate", "")
	}, want: 204},
	{name: "database", make: func(a client, _ string) question { a.database("d1"); return asks(root, "GET", "/db/d1/ns", "") }, want: 200},
	{name: "removal of a database", make: func(a client, _ string) question { a.database("d2"); return asks(root, "DELETE", "/db/d2", "") }, want: 204},
	{name: "event for a database", make: func(a client, _ string) question {
		a.database("d3")
		return asks(root, "POST", "/events", fmt.Sprintf(anEvent, "d3", ""))
	}, want: 201},
	{name: "event for a database by the first door", make: func(a client, _ string) question {
		a.database("d4")
		return asks(keyBehind, "POST", "/realtime", `{"space":"$db/d4","event":"e","data":{}}`)
	}, want: 200},
	{name: "grant of a database", before: func(a client) string {
		a.do(root, "POST", "/accounts/c5", `{"name":"c5","password":"secret"}`, "")
		a.database("d5")
		return ""
	}, make: func(a client, _ string) question {
		a.do(root, "POST", "/db/d5/grant?username=c5&role=member", "", "")
		return asks(gatewaytest.Basic("c5", "secret"), "POST", "/events", fmt.Sprintf(anEvent, "d5", ""))
	}, want: 201},
	{name: "grant to an account", before: func(a client) string { a.database("d6"); return "" }, make: func(a client, _ string) question {
		a.do(root, "POST", "/accounts/c6", `{"name":"c6","password":"secret"}`, "")
		return asks(root, "POST", "/db/d6/grant?username=c6&role=member", "")
	}, want: 200},
	{name: "namespace", before: func(a client) string { a.database("d7"); return "" }, make: func(a client, _ string) question {
		a.do(root, "PUT", "/db/d7/ns/n", "", "")
		return asks(root, "GET", "/db/d7/ns/n/streams", "")
	}, want: 200},
	{name: "removal of a namespace", before: func(a client) string { a.database("d8"); return "" }, make: func(a client, _ string) question {
		a.do(root, "PUT", "/db/d8/ns/n", "", "")
		return asks(root, "DELETE", "/db/d8/ns/n", "")
	}, want: 204},
	{name: "event of a database", before: func(a client) string { a.database("d9"); return "" }, make: func(a client, _ string) question {
		a.do(root, "POST", "/events", fmt.Sprintf(anEvent, "d9", ""), "")
		return asks(root, "GET", "/db/d9/ns//streams/s/events/1", "")
	}, want: 200},
	{name: "removal of a stream", before: func(a client) string { a.database("d10"); return "" }, make: func(a client, _ string) question {
		a.do(root, "POST", "/events", fmt.Sprintf(anEvent, "d10", ""), "")
		return asks(root, "DELETE", "/db/d10/streams/s", "")
	}, want: 204},
	{name: "page behind an event", before: func(a client) string { a.database("d11"); return "" }, make: func(a client, _ string) question {
		a.do(root, "POST", "/events", fmt.Sprintf(anEvent, "d11", ""), "")
		return asks(root, "GET", "/db/d11/events?from=s.1&until=caught-up", "", "Accept", "application/json")
	}, want: 200},
	{name: "feed of a database", make: func(a client, _ string) question {
		a.database("d12")
		return asks(root, "HEAD", "/db/d12/events", "")
	}, want: 200},
	{name: "annotation", before: func(a client) string { a.database("d13"); return "" }, make: func(a client, _ string) question {
		a.do(root, "PUT", "/db/d13/ns//streams/s/annotation", `{"x":1}`, "")
		return asks(root, "GET", "/db/d13/ns//streams/s/annotation", "")
	}, want: 200, has: `"x":1`},

	{name: "id of an event, at the end of a range", make: func(a client, _ string) question {
		id := a.do(keyBehind, "POST", "/realtime", `{"event":"e"}`, "id")
		return asks(keyBehind, "GET", "/realtime?from=earliest&to="+id, "", "Last-Event-ID", id)
	}, want: 204},
	{name: "id of an event", make: func(a client, _ string) question {
		id := a.do(keyBehind, "POST", "/realtime", `{"event":"e"}`, "id")
		last := a.do(keyBehind, "POST", "/realtime", `{"event":"last"}`, "id")
		return func(b client) (int, string) {
			status, text := b.as(keyBehind, "GET", "/realtime?to="+last, "", "Last-Event-ID", id)
			if strings.Contains(text, "gap") || strings.Count(text, "event: last") != 1 {
				return 0, text
			}
			return status, text
		}
	}, want: 200, has: "last"},
}

// TestBehind: a gateway that does not have yet what was made at another one waits for it, before it says no.
func TestBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := behind(t)
		a, b := client{t, p.A}, client{t, p.B}
		for _, one := range behindCases {
			before := ""
			if one.before != nil {
				before = one.before(a)
				synctest.Wait()
			}
			p.OfB.Hold()
			ask := one.make(a, before)
			type answer struct {
				status int
				text   string
			}
			got := make(chan answer, 1)
			go func() {
				status, text := ask(b)
				got <- answer{status, text}
			}()
			synctest.Wait()
			select {
			case now := <-got:
				t.Errorf("%s: B does not wait: %d %s", one.name, now.status, now.text)
				p.OfB.Release()
				continue
			default:
			}
			p.OfB.Release()
			if now := <-got; now.status != one.want || !strings.Contains(now.text, one.has) {
				t.Errorf("%s: %d %s", one.name, now.status, now.text)
			}
			synctest.Wait()
		}
	})
}

// TestUnknownKeys: many who ask at once for what nobody has cost the journal few questions.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := behind(t)
		p.OfB.Hold()
		p.A.Request(t, "POST", "/realtime", `{"event":"e"}`, "x-apikey", keyBehind)
		before, many := p.OfB.Ends(), 100
		got := make(chan int, many)
		for n := range many {
			go func() {
				status, _ := p.B.Request(t, "POST", "/realtime", `{}`, "x-apikey", fmt.Sprint("unknown-key-of-a-stranger-", n))
				got <- status
			}()
		}
		synctest.Wait()
		p.OfB.Release()
		for range many {
			if status := <-got; status != http.StatusUnauthorized {
				t.Error(status)
			}
		}
		if asked := p.OfB.Ends() - before; asked > 2 {
			t.Errorf("%d questions for %d unknown keys", asked, many)
		}
	})
}

// TestNoLeader: while the journal has no answer, who is not known is told to come back, and not that it is wrong. Who is
// known needs no answer.
func TestNoLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := behind(t)
		b := client{t, p.B}
		id := b.document()
		p.Journal.Lead(false)
		for name, ask := range map[string]question{
			"key":      asks("a-key-of-another-gateway", "POST", "/realtime", `{}`),
			"login":    asks(keyBehind, "POST", "/auth/login", `{"email":"ann@example.org","password":"correct horse"}`),
			"document": asks(keyBehind, "GET", "/rest/c/other", ""),
			"item":     asks(keyBehind, "GET", "/items/c/other", ""),
			"room":     asks(keyBehind, "GET", "/room/unknown/presence", ""),
			"account":  asks(gatewaytest.Basic("ann", "ann"), "GET", "/db", ""),
			"database": asks(root, "GET", "/db/unknown/ns", ""),
			"user":     asks(gatewaytest.AdminKey, "GET", "/admin/users/ann@example.org", ""),
		} {
			if status, text := ask(b); status != http.StatusServiceUnavailable {
				t.Errorf("%s: %d %s", name, status, text)
			}
		}
		status, text := b.as("a-key-of-another-gateway", "GET", "/realtime", "", "Accept", "text/event-stream")
		if status != http.StatusOK || !strings.Contains(text, "busy") {
			t.Errorf("an EventSource gets %d %s", status, text)
		}
		if status, text := b.as(keyBehind, "GET", "/rest/c/"+id, ""); status != http.StatusOK {
			t.Error(status, text)
		}
	})
}

// TestEndOfTime: a range up to a time has all events up to it, also those that are on their way to this gateway.
func TestEndOfTime(t *testing.T) {
	t.Parallel()
	for late, held := range map[time.Duration]time.Duration{ // when the client comes, and how long B is behind then
		0: 4 * time.Second, time.Minute: time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := behind(t)
			a, b := client{t, p.A}, client{t, p.B}
			to := time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)
			p.OfB.Hold()
			first := a.do(keyBehind, "POST", "/realtime", `{"event":"first"}`, "id")
			time.Sleep(late)
			got := make(chan string, 1)
			go func() {
				_, text := b.as(keyBehind, "GET", "/realtime?from=earliest&to="+to, "")
				got <- text
			}()
			time.Sleep(held)
			synctest.Wait()
			p.OfB.Release()
			if text := <-got; !slices.Contains(strings.Split(text, "\n"), "id: "+first) {
				t.Errorf("%s late: the event of %s is missing in %s", late, first, text)
			}
		})
	}
}
