package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"sluice/gateway/gatewaytest"
)

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
	{name: "name of a list of channels", make: func(a client, _ string) question {
		return asks(keyBehind, "GET", "/realtime?until=caught-up&channels=@"+a.do(keyBehind, "POST", "/realtime/subscriptions", `{"channels":"e"}`, "name"), "")
	}, want: 200, has: "event: end"},
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
