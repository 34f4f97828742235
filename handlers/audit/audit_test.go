package audit_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/channel"
	"sluice/gateway/gatewaytest"
	"sluice/handlers/audit"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

// Each action is in the trail when it has been answered, with who did it and to what; no secret is.
func TestAudit(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, gatewaytest.WithItems)
	const password = "a password of hers"
	var key struct{ ID, Key string }
	admin, root, demo := []string{"x-apikey", gatewaytest.AdminKey}, []string{"Authorization", gatewaytest.Basic("root", gatewaytest.AdminKey)}, []string{"Authorization", gatewaytest.Basic("demo", "demo")}
	status, text := g.Request(t, "POST", "/admin/keys", `{"name":"web","sub":["*"]}`, admin...)
	if err := json.Unmarshal([]byte(text), &key); err != nil || status != 201 {
		t.Fatal(status, text)
	}
	open := g.Stream(t, gatewaytest.KeyItems, "")
	cut := open.Answer.Header.Get("X-Request-Id")
	published := g.Put(t, eventlog.Event{Name: "a"})[0]
	for _, one := range []struct {
		by           []string
		method, path string
		body         string
		status       int
		want         string // action, who, kind, target, detail
	}{
		{nil, "", "", "", 0, "key.create admin admin " + key.ID + " web"},
		{admin, "PATCH", "/admin/keys/" + key.ID, `{"pub":["a"]}`, 200, "key.change admin admin " + key.ID + " "},
		{admin, "POST", "/admin/users", `{"email":"ann@example.com","password":"` + password + `"}`, 201, "user.create admin admin ann@example.com "},
		{admin, "PATCH", "/admin/users/ann@example.com", `{"rest":["*"]}`, 200, "user.change admin admin ann@example.com "},
		{nil, "POST", "/auth/login", `{"email":"ann@example.com","password":"` + password + `"}`, 200, "login ann@example.com user  "},
		{admin, "POST", "/admin/revocations", `{"jti":"j1"}`, 201, "token.revoke admin admin jti j1 "},
		{admin, "POST", "/admin/revocations", `{"subject":"s1"}`, 201, "token.revoke admin admin subject s1 "},
		{admin, "DELETE", "/admin/connections/" + cut, "", 204, "connection.cut admin admin " + cut + " all from 127.0.0.1"},
		{root, "POST", "/accounts/bob", `{"password":"` + password + `"}`, 204, "account.create root root bob "},
		{root, "POST", "/accounts/bob/deactivate", "", 204, "account.deactivate root root bob "},
		{root, "POST", "/accounts/bob/activate", "", 204, "account.activate root root bob "},
		{[]string{"x-apikey", gatewaytest.KeyItems}, "DELETE", "/realtime?id=" + published, "", 200, "event.retract all key " + published + " "},
		{demo, "PUT", "/db/mine", "", 204, "database.create demo account mine "},
		{demo, "POST", "/db/mine/rename?to=ours", "", 204, "database.rename demo account mine to ours"},
		{demo, "POST", "/db/ours/clone?to=theirs", "", 204, "database.clone demo account ours to theirs"},
		{demo, "POST", "/db/ours/grant?username=bob&role=reader", "", 200, "database.grant demo account ours bob reader"},
		{demo, "POST", "/db/ours/revoke?username=bob", "", 204, "database.revoke demo account ours bob"},
		{demo, "PUT", "/db/ours/ns/n", "", 204, "namespace.create demo account ours/n "},
		{demo, "POST", "/db/ours/ns/n/rename?to=m", "", 204, "namespace.rename demo account ours/n to m"},
		{demo, "DELETE", "/db/ours/ns/m/contents", "", 204, "namespace.truncate demo account ours/m "},
		{demo, "DELETE", "/db/ours/ns/m", "", 204, "namespace.drop demo account ours/m "},
		{demo, "DELETE", "/db/ours", "", 204, "database.drop demo account ours "},
		{root, "DELETE", "/accounts/bob", "", 204, "account.delete root root bob "},
		{admin, "DELETE", "/admin/users/ann%40example.com", "", 204, "user.delete admin admin ann@example.com "},
		{admin, "DELETE", "/admin/keys/" + key.ID, "", 204, "key.delete admin admin " + key.ID + " "},
	} {
		if one.method != "" {
			if status, text := g.Request(t, one.method, one.path, one.body, one.by...); status != one.status {
				t.Fatalf("%s %s: %d %s", one.method, one.path, status, text)
			}
		}
		_, entries := g.ReadAudit(t, "?from=-1&until=caught-up")
		if len(entries) != 1 {
			t.Fatalf("%s: %d entries", one.want, len(entries))
		}
		e := entries[0].Data
		got := strings.Join([]string{entries[0].Event, e.Who, e.Kind, e.Target, e.Detail}, " ")
		if got != one.want || e.Outcome != audit.Ok || e.Count != 1 || e.From != "127.0.0.1" || e.RequestID == "" {
			t.Errorf("got  %s %+v\nwant %s", got, e, one.want)
		}
	}
	for _, path := range []string{"/db/x", "/admin/keys", "/realtime"} { // and what is wrong
		g.Request(t, "PUT", path, "", "Authorization", gatewaytest.Basic("evelyn", password))
		g.Request(t, "POST", path, "", "x-apikey", "guess-"+password)
	}
	g.Socket(t, "").Send(`{"type":"auth","access_token":"guess-` + password + `"}`)
	g.Request(t, "GET", "/db/x/events", "", "x-apikey", "guess-"+password) // a feed answers 200
	found := g.AwaitAudit(t, "credential.refuse", 5)
	if !slices.ContainsFunc(found, func(l gatewaytest.AuditLine) bool {
		return l.Data.Door == "persistr" && l.Data.Outcome == "invalid_key"
	}) {
		t.Errorf("the refusal of a feed is missing in %v", found)
	}
	text, entries := g.ReadAudit(t, "?until=caught-up")
	for _, e := range entries {
		if e.Data.Outcome != audit.Ok && e.Event != "credential.refuse" {
			t.Errorf("who is not known did something: %+v", e)
		}
	}
	for _, secret := range []string{gatewaytest.AdminKey, key.Key, password, "demo:demo", "Basic", "evelyn", "guess"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

// A refused action of an authenticated client is recorded without what it named. What changes nothing is not recorded.
func TestAuditOfRefusedActions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo)
	for range 5 {
		g.Request(t, "DELETE", "/db/secret-name", "", "Authorization", gatewaytest.Basic("demo", "demo"))
		g.Request(t, "GET", "/db", "", "Authorization", gatewaytest.Basic("demo", "demo"))
	}
	text, entries := g.ReadAudit(t, "?until=caught-up")
	for range 500 {
		if text, entries = g.ReadAudit(t, "?until=caught-up"); len(entries) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	want := audit.Entry{Who: "demo", Kind: "account", From: "127.0.0.1", Door: "persistr", Outcome: "Forbidden", Count: 1}
	if len(entries) != 1 || entries[0].Event != "database.drop" || entries[0].Data != want {
		t.Errorf("%s", text)
	}
}

// The trail is read with the parameters of history, as frames and as lines, and goes on live. It takes the admin key.
func TestAuditIsHistory(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	revoke := func(jti string) {
		t.Helper()
		g.AsAdmin(t, "POST", "/admin/revocations", `{"jti":"`+jti+`"}`, 201)
	}
	for i := range 5 {
		revoke(fmt.Sprint(i))
	}
	g.AsAdmin(t, "POST", "/admin/keys", `{"name":"web"}`, 201)
	for query, want := range map[string]string{
		"?until=caught-up":                          "jti 0,jti 1,jti 2,jti 3,jti 4,key",
		"?limit=2":                                  "jti 0,jti 1",
		"?from=-2&until=caught-up":                  "jti 4,key",
		"?types=key.create&until=caught-up":         "key",
		"?from=2000-01-01T00:00:00Z&limit=1":        "jti 0",
		"?from=earliest&types=token.revoke&limit=3": "jti 0,jti 1,jti 2",
	} {
		_, entries := g.ReadAudit(t, query)
		var got []string
		for _, e := range entries {
			got = append(got, strings.Replace(e.Data.Target, e.Data.Target, map[bool]string{true: "key", false: e.Data.Target}[e.Event == "key.create"], 1))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %q, want %s", query, got, want)
		}
	}
	g.RunAll(t, []scenario{
		{Name: "no key", Path: "/admin/audit", Key: "-", Status: 401},
		{Name: "another key", Path: "/admin/audit", Status: 401},
		{Name: "bad limit", Path: "/admin/audit?limit=0", Key: gatewaytest.AdminKey, Status: 400, Has: []string{"limit"}},
		{Name: "channels of others", Path: "/admin/audit?channels=*", Key: gatewaytest.AdminKey, Status: 403},
		{Name: "a body", Method: "GET", Path: "/admin/audit", Key: gatewaytest.AdminKey, Body: "x", Status: 400},
		{Name: "POST", Path: "/admin/audit", Key: gatewaytest.AdminKey, Body: "{}", Status: 405},
	})
	g.AwaitAudit(t, "credential.refuse", 1)
	live := g.OpenAt(t, gatewaytest.AdminKey, "/admin/audit?from=now")
	for _, name := range []string{"", "live"} {
		if e := live.Event(t); e.Name != name {
			t.Fatalf("%+v", e)
		}
	}
	revoke("now")
	if e := live.Event(t); e.Name != "token.revoke" || !strings.Contains(e.Data, `"target":"jti now"`) || e.ID == "" {
		t.Errorf("%+v", e)
	} else if again := g.OpenAt(t, gatewaytest.AdminKey, "/admin/audit", "Last-Event-ID", e.ID); again.Event(t).Name != "" || again.Event(t).Name != "live" {
		t.Error("a client that comes back gets it again")
	}
	if all := g.OpenAt(t, gatewaytest.AdminKey, "/admin/audit"); all.Event(t).Name != "" || all.Event(t).Name != "token.revoke" {
		t.Error("without a parameter the past does not come first")
	}
}

// No grant, pattern or door but /admin/audit reaches the trail, and none publishes there.
func TestAuditIsNobodysElse(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, func(s *setup) { s.RealtimeGlobal = true })
	g.AsAdmin(t, "POST", "/admin/revocations", `{"jti":"x"}`, 201)
	spaces := audit.Spaces[:]
	for _, pattern := range []string{
		"*", "*:*", "$*", "$audit", "$audit:*", "$audit/refused", "$audit/clients", "$audit/*", "$db/$audit", "$db/../$audit", "$room/$audit", "$audi*", "POST:*", "token.revoke", "t*",
	} {
		p, err := channel.Parse(pattern)
		for _, space := range spaces {
			if err == nil && p.Match(channel.Channel{Space: space, Left: "token.revoke"}) {
				t.Errorf("%s reaches %s", pattern, space)
			}
		}
		got := g.History(t, gatewaytest.KeyAll, "?until=caught-up&channels="+strings.ReplaceAll(pattern, "$", "%24"))
		if len(got.IDs) != 0 {
			t.Errorf("%s: %v", pattern, got)
		}
	}
	if got := g.History(t, gatewaytest.KeyAll, "?until=caught-up"); len(got.IDs) != 0 {
		t.Errorf("a key for everything reads %v", got)
	}
	for _, space := range spaces {
		for _, body := range []string{`{"event":"a","space":%q}`, `{"event":"token.revoke","space":%q,"data":1}`} {
			if status, text := g.Request(t, "POST", "/realtime", fmt.Sprintf(body, space), "x-apikey", gatewaytest.KeyAll); status < 400 {
				t.Errorf("%s: %d %s", body, status, text)
			}
		}
		state, err := g.Log.State(space)
		if want := int64(map[string]int{audit.Space: 1}[space]); err != nil || state.Count != want {
			t.Errorf("%s has %d entries, %v", space, state.Count, err)
		}
	}
}

// Every route that changes keys, users, connections, accounts or databases is an action, and the documentation names all
// actions.
func TestActionsAreComplete(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	none := map[string]bool{
		"POST /auth/refresh":                               true,
		"PUT /db/:db/ns/:ns/streams/:stream/annotation":    true,
		"DELETE /db/:db/ns/:ns/streams/:stream/annotation": true,
	}
	actions := map[string]bool{string(audit.CredentialRefuse): true}
	for _, r := range g.Config.Handler.(interface{ Routes() []*echo.Route }).Routes() {
		action := audit.Of(r.Method, r.Path)
		if action != "" {
			actions[string(action)] = true
		}
		changes := slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, r.Method)
		door, _, _ := strings.Cut(r.Path[1:], "/")
		if changes && slices.Contains([]string{"admin", "db", "accounts", "auth"}, door) && (action == "") != none[r.Method+" "+r.Path] {
			t.Errorf("%s %s is the action %q", r.Method, r.Path, action)
		}
	}
	text, err := os.ReadFile("../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "| action | by |")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z.]+)`").FindAllStringSubmatch(part, -1) {
		documented[m[1]] = true
	}
	for a := range actions {
		if !documented[a] {
			t.Errorf("docs/admin.md does not have %s", a)
		}
	}
	for a := range documented {
		if !actions[a] {
			t.Errorf("docs/admin.md has %s, which is no action of a route", a)
		}
	}
}

// The trail is there after a restart.
func TestAuditIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() *gateway {
		engine, err := pebble.Open(pebble.Options{Dir: dir, Retain: func(string) eventlog.Retention { return eventlog.Retention{Bytes: 1 << 20} }})
		if err != nil {
			t.Fatal(err)
		}
		return newGateway(t, func(s *setup) { s.Engine = engine })
	}
	g := start()
	g.AsAdmin(t, "POST", "/admin/revocations", `{"jti":"x"}`, 201)
	for range 10 {
		g.Request(t, "GET", "/rest/a", "", "x-apikey", "wrong")
	}
	g.AwaitAudit(t, "credential.refuse", 1)
	g.Stop(t)
	g = start()
	text, entries := g.ReadAudit(t, "?until=caught-up")
	if len(entries) != 3 || entries[0].Data.Target != "jti x" || entries[1].Data.Count != 1 || entries[2].Data.Count != 9 {
		t.Errorf("%s", text)
	}
}

// Refused requests and messages are counted by door and code, in whichever form the door reports them.
func TestRefusedAreCounted(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, func(s *setup) { s.MaxConnectionsPerKey = 1 })
	g.Stream(t, gatewaytest.KeyAll, "")
	for _, one := range []struct{ method, path, body, headers, want string }{
		{"GET", "/realtime", "", "x-apikey=wrong", `code="invalid_key",door="realtime"`},
		{"GET", "/realtime", "", "", `code="missing_credential",door="realtime"`},
		{"GET", "/realtime", "", "x-apikey=" + gatewaytest.KeyAll + ",Accept=text/event-stream", `code="too_many_connections_per_key",door="realtime"`},
		{"POST", "/realtime", `{}`, "x-apikey=" + gatewaytest.KeyAll, `code="bad_event",door="realtime"`},
		{"GET", "/rest/a", "", "x-apikey=wrong", `code="invalid_key",door="rest"`},
		{"GET", "/rest/a", "", "x-apikey=" + gatewaytest.KeyNone, `code="forbidden",door="rest"`},
		{"GET", "/items/a", "", "x-apikey=wrong", `code="invalid_key",door="directus"`},
		{"POST", "/auth/login", `{"email":"a@b.example","password":"wrong"}`, "", `code="invalid_login",door="directus"`},
		{"GET", "/auth/x", "", "", `code="ROUTE_NOT_FOUND",door="directus"`},
		{"GET", "/users/me", "", "", `code="INVALID_CREDENTIALS",door="directus"`}, // each first part of a door's routes is the door's
		{"GET", "/rest/_jsapi.js/x", "", "", `code="missing_credential",door="rest"`},
		{"GET", "/db", "", "Authorization=Apikey wrong", `code="invalid_key",door="persistr"`},
		{"GET", "/db", "", "Authorization=" + gatewaytest.Basic("demo", "wrong"), `code="invalid_login",door="persistr"`},
		{"GET", "/db/none/events", "", "Authorization=" + gatewaytest.Basic("demo", "demo"), `code="Forbidden",door="persistr"`},
		{"GET", "/room/no+id", "", "", `code="not_found",door="rooms"`},
		{"GET", "/admin/keys", "", "x-apikey=wrong", `code="invalid_admin_key",door="admin"`},
		{"GET", "/nothing/" + gatewaytest.AdminKey, "", "", `code="not_found",door="other"`},
	} {
		var headers []string
		for _, h := range strings.FieldsFunc(one.headers, func(r rune) bool { return r == ',' }) {
			name, v, _ := strings.Cut(h, "=")
			headers = append(headers, name, v)
		}
		g.Request(t, one.method, one.path, one.body, headers...)
		g.AwaitMetric(t, "sluice_refused_total{"+one.want+"} 1")
	}
	s, _ := g.DialSocket(t, "", nil)
	s.Send(`{"type":"auth","access_token":"wrong"}`)
	g.AwaitMetric(t, `sluice_refused_total{code="invalid_key",door="directus"} 2`)
	other := g.Socket(t, gatewaytest.KeyPut)
	other.Send(`{"type":"items","collection":"messages","action":"dance"}`)
	g.AwaitMetric(t, `sluice_refused_total{code="INVALID_PAYLOAD",door="directus"} 1`)
	room, _ := g.Join(t, g.NewRoom(t), "")
	if err := room.Write(t.Context(), 1, []byte("{")); err != nil {
		t.Fatal(err)
	}
	g.AwaitMetric(t, `sluice_refused_total{code="bad_event",door="rooms"} 1`)
}
