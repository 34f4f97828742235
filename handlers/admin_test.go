package handlers_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/broker/sse/ssetest"
)

// asAdmin asks the admin API.
func (g *gateway) asAdmin(t testing.TB, method, path, body string, status int) map[string]any {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", adminKey)
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status {
		t.Fatalf("%s %s %s: %s %s", method, path, body, answer.Status, text)
	}
	told := map[string]any{}
	if len(text) == 0 {
		return told
	}
	if text[0] == '[' {
		text = fmt.Appendf(nil, `{"list":%s}`, text)
	}
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return told
}

func TestAdminRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	paths := []string{"/admin/keys", "/admin/keys/x", "/admin/connections", "/admin/stats"}
	var all []scenario
	for _, p := range paths {
		all = append(all,
			scenario{name: "no key " + p, path: p, key: "-", status: 401, has: []string{"ADMIN_KEY"}},
			scenario{name: "another key " + p, path: p, status: 401, has: []string{`"invalid_admin_key"`}, hasNot: []string{keyAll}},
			scenario{name: "in the query " + p, path: p + "?apikey=" + adminKey, key: "-", status: 401},
			scenario{name: "no CORS " + p, path: p, key: adminKey, headers: map[string]string{"Origin": "https://a.example"}, status: map[bool]int{true: 404, false: 200}[p == "/admin/keys/x"],
				answers: map[string]string{"Access-Control-Allow-Origin": "", "Cache-Control": "no-store"}},
		)
	}
	body := func(name, text string, has ...string) scenario {
		return scenario{name: name, path: "/admin/keys", key: adminKey, body: text, status: 400, has: has}
	}
	runAll(t, g, append(all,
		body("no JSON", "{", "bad_json", "it ends at byte 1, where a name in double quotes, or } was expected"),
		body("no value", `{"name":}`, "byte 9 is '}', where a value was expected"),
		body("unknown field", `{"name":"x","key":"mine"}`),
		body("no name", `{}`, "name"),
		body("bad pattern", `{"name":"x","sub":["put"]}`, "sub", "put"),
		body("bad documents", `{"name":"x","rest":["chat"]}`, "rest", "METHOD:collection"),
		body("bad frames", `{"name":"x","frames":"both"}`, "frames"),
		body("negative rate", `{"name":"x","rate":-1}`, "rate"),
		body("bad time", `{"name":"x","expires":"tomorrow"}`, "expires"),
		body("two objects", `{"name":"x"}{"name":"y"}`, "byte 13 is '{', where nothing more was expected"),
		scenario{name: "wrong method", method: "PUT", path: "/admin/keys", key: adminKey, status: 405, answers: map[string]string{"Allow": "*any*"}},
		scenario{name: "unknown connection", method: "DELETE", path: "/admin/connections/nope", key: adminKey, status: 404},
		scenario{name: "unknown key", method: "PATCH", path: "/admin/keys/nope", key: adminKey, body: "{}", status: 404},
		scenario{name: "neither jti nor subject", path: "/admin/revocations", key: adminKey, body: "{}", status: 400},
		scenario{name: "both", path: "/admin/revocations", key: adminKey, body: `{"jti":"a","subject":"b"}`, status: 400, has: []string{`{"message":"give either jti or subject, of at most 1024 bytes","code":"bad_revocation"}`}},
		scenario{name: "backup of memory", path: "/admin/backup", key: adminKey, body: "{}", status: 409, has: []string{"DATA_DIR=memory", `"code":"no_backup"`}, answers: map[string]string{"Retry-After": ""}},
	))
	if keys := g.asAdmin(t, "GET", "/admin/keys", "", 200)["list"].([]any); len(keys) != strings.Count(testKeys, `"name"`) {
		t.Errorf("%v", keys)
	}
}

// lines reads what a stream brings, in the background.
func lines(t *testing.T, g *gateway, key string) (<-chan ssetest.Event, func()) {
	t.Helper()
	s := g.open(t, key, "")
	events := make(chan ssetest.Event, 100)
	go func() {
		defer close(events)
		var p ssetest.Parser
		r := bufio.NewReader(s.answer.Body)
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			some, perr := p.Feed(buf[:n])
			for _, e := range some {
				events <- e
			}
			if err != nil || perr != nil {
				return
			}
		}
	}()
	return events, func() { s.answer.Body.Close() }
}

// next waits for a frame of a name.
func next(t *testing.T, events <-chan ssetest.Event, name string) ssetest.Event {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended before %q", name)
			}
			if e.Name == name || name == "init" && strings.Contains(e.Data, "init") {
				return e
			}
		case <-deadline:
			t.Fatalf("no %q came", name)
		}
	}
}

// A key is made, seen once, edited and revoked; live streams follow within a second.
func TestAdminKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	made := g.asAdmin(t, "POST", "/admin/keys", `{"name":"web","sub":["goal"],"pub":["goal"],"rest":["get:customer"],"origins":["https://a.example"],"rate":50,"frames":"publish","expires":"2999-01-01T00:00:00Z"}`, 201)
	key, id := made["key"].(string), made["id"].(string)
	if len(key) < 20 || made["name"] != "web" || made["rate"] != 50.0 || made["expires"] != "2999-01-01T00:00:00Z" || fmt.Sprint(made["rest"]) != "[GET:customer]" {
		t.Fatalf("%v", made)
	}
	told := g.asAdmin(t, "GET", "/admin/keys/"+id, "", 200)
	if text, _ := json.Marshal(g.asAdmin(t, "GET", "/admin/keys", "", 200)); strings.Contains(string(text), key) || told["key"] != nil || told["readonly"] != nil {
		t.Errorf("the key is told again: %s", text)
	}
	events, stop := lines(t, g, key)
	defer stop()
	next(t, events, "init")
	g.publish(t, `{"event":"goal","data":1}`)
	next(t, events, "publish")
	if told := g.asAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["boing"],"expires":null}`, 200); told["expires"] != nil || told["name"] != "web" || fmt.Sprint(told["rest"]) != "[GET:customer]" {
		t.Errorf("%v", told)
	}
	if e := next(t, events, "expired"); !strings.Contains(e.Data, "changed") || e.Retry == 0 {
		t.Errorf("%+v", e)
	}
	events, stop = lines(t, g, key)
	defer stop()
	next(t, events, "init")
	g.publish(t, `{"event":"goal","data":2}`)
	g.publish(t, `{"event":"boing","data":3}`)
	if e := next(t, events, "publish"); !strings.Contains(e.Data, "boing") {
		t.Errorf("%+v", e)
	}
	g.asAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
	if e := next(t, events, "expired"); !strings.Contains(e.Data, "revoked") {
		t.Errorf("%+v", e)
	}
	(&scenario{name: "revoked", key: key, status: 401}).run(t, g)
	for _, k := range g.asAdmin(t, "GET", "/admin/keys", "", 200)["list"].([]any) {
		k := k.(map[string]any)
		if k["readonly"] != true {
			t.Errorf("%v", k)
		}
		(&scenario{name: "read-only", method: "DELETE", path: "/admin/keys/" + k["id"].(string), key: adminKey, status: 409, has: []string{"settings"}}).run(t, g)
	}
}

// Who is connected is listed, and can be cut.
func TestAdminConnections(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		events, stop := lines(t, g, keyPut)
		defer stop()
		next(t, events, "init")
		list := g.asAdmin(t, "GET", "/admin/connections", "", 200)
		one := list["list"].([]any)[0].(map[string]any)
		if len(list["list"].([]any)) != 1 || one["who"] != "put" || one["kind"] != "key" || one["channels"] != "chat-*,PUT:customer" || one["from"] != "127.0.0.1" {
			t.Errorf("%v", list)
		}
		stats := g.asAdmin(t, "GET", "/admin/stats", "", 200)
		if stats["connections"] != 1.0 || stats["lagging"] != 0.0 || stats["version"] != "test" {
			t.Errorf("%v", stats)
		}
		g.asAdmin(t, "DELETE", "/admin/connections/"+one["id"].(string), "", 204)
		deadline := time.After(5 * time.Second)
		for open := true; open; {
			select {
			case _, open = <-events:
			case <-deadline:
				t.Fatal("it was not cut")
			}
		}
		for g.broker.Count() > 0 {
			time.Sleep(time.Millisecond)
		}
	})
}

// Figures come as a stream, which ends when the gateway drains.
func TestAdminStats(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.publish(t, `{"event":"goal"}`)
	(&scenario{name: "refused", body: "{", status: 400}).run(t, g)
	r, err := http.NewRequest(http.MethodGet, g.URL+"/admin/stats", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", adminKey)
	r.Header.Set("Accept", "text/event-stream")
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	scanner := bufio.NewScanner(answer.Body)
	seen := 0
	for scanner.Scan() && seen < 2 {
		if text, ok := strings.CutPrefix(scanner.Text(), "data: "); ok {
			seen++
			var s struct {
				Events, Refused float64
				Log             struct{ Events int }
			}
			if err := json.Unmarshal([]byte(text), &s); err != nil || s.Events != 1 || s.Refused != 1 || s.Log.Events != 1 {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d came", seen)
	}
}

// A key asks for a narrowed token, which ends with it, and can be revoked by itself.
func TestMint(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	made := g.asAdmin(t, "POST", "/admin/keys", `{"name":"server","sub":["inbox-*","news"],"pub":["chat"],"rest":["GET:*"]}`, 201)
	key, id := made["key"].(string), made["id"].(string)
	mint := func(body string, status int, has ...string) string {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, g.URL+"/realtime/token", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", key)
		r.Header.Set("Content-Type", "application/json")
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status {
			t.Fatalf("%s: %s %s %v", body, answer.Status, text, err)
		}
		for _, want := range has {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: %q is not in %s", body, want, text)
			}
		}
		var told struct {
			Token   string
			Expires time.Time
		}
		_ = json.Unmarshal(text, &told) // refusals have neither
		return told.Token
	}
	mint(`{"sub":["*"]}`, 403, `*`)
	mint(`{"sub":["inbox-1","secret"]}`, 403, "secret")
	mint(`{"pub":["news"]}`, 403)
	mint(`{"sub":["put"]}`, 400)
	mint(`{"rest":["GET:customer"]}`, 200)
	mint(`{"rest":["POST:customer"]}`, 403, "POST:customer")
	mint(`{"rest":["chat"]}`, 400, "METHOD:collection")
	mint(`{"sub":[],"pub":[],"rest":[]}`, 400, "nothing")
	mint(`{}`, 400, "nothing")
	mint(`{"sub":["news"],"ttl":"25h"}`, 400, "ttl")
	mint(`{"sub":["news"],"ttl":"-1s"}`, 400, "ttl")
	mint(`{"sub":["news"],"ttl":600}`, 400)
	mint(`{"sub":["news"],"x":1}`, 400)
	(&scenario{name: "no key", path: "/realtime/token", key: "-", body: "{}", status: 401}).run(t, g)

	token := mint(`{"sub":["inbox-1"],"pub":["chat"],"ttl":"10m"}`, 200, `"expires":"`)
	bearer := map[string]string{"Authorization": "Bearer " + token}
	runAll(t, g, []scenario{
		{name: "more than its own", path: "?channels=news", key: "-", headers: bearer, status: 403},
		{name: "may publish", key: "-", headers: bearer, body: `{"event":"chat"}`, status: 200},
		{name: "may not publish", key: "-", headers: bearer, body: `{"event":"news"}`, status: 403},
		{name: "no token for a token", path: "/realtime/token", key: "-", headers: bearer, body: `{"sub":["inbox-1"]}`, status: 403},
		{name: "not changed", key: "-", headers: map[string]string{"Authorization": "Bearer " + token[:len(token)-2]}, body: `{"event":"chat"}`, status: 401},
	})
	watch := func(token string) (<-chan ssetest.Event, func()) {
		t.Helper()
		events, stop := lines(t, g, token)
		next(t, events, "init")
		return events, stop
	}
	events, stop := watch(token)
	defer stop()
	g.publish(t, `{"event":"news","data":1}`)
	g.publish(t, `{"event":"inbox-1","data":2}`)
	if e := next(t, events, "inbox-1"); !strings.Contains(e.Data, "2") {
		t.Errorf("%+v", e)
	}

	// It is narrowed with its key.
	g.asAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["news"]}`, 200)
	next(t, events, "expired")
	(&scenario{name: "the key has it no more", key: "-", headers: bearer, status: 403}).run(t, g)
	g.asAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["inbox-*"]}`, 200)

	// One is revoked by its jti, others go on.
	other := mint(`{"sub":["inbox-2"]}`, 200)
	events, stop = watch(token)
	defer stop()
	stays, stopOther := watch(other)
	defer stopOther()
	if err := g.auth.Revoke(t.Context(), auth.Revocation{JTI: jti(t, token)}); err != nil {
		t.Fatal(err)
	}
	if e := next(t, events, "expired"); !strings.Contains(e.Data, "revoked") {
		t.Errorf("%+v", e)
	}
	(&scenario{name: "revoked", key: "-", headers: bearer, body: `{"event":"chat"}`, status: 401, has: []string{`"revoked_token"`}}).run(t, g)
	g.publish(t, `{"event":"inbox-2","data":3}`)
	next(t, stays, "inbox-2")
	g.asAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
	next(t, stays, "expired")
	(&scenario{name: "it ended with its key", key: other, status: 401}).run(t, g)
}

// jti is a token's.
func jti(t *testing.T, token string) string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ JTI string }
	if err := json.Unmarshal(text, &claims); err != nil || claims.JTI == "" {
		t.Fatal(err)
	}
	return claims.JTI
}

// Origins are kept as browsers send them, however they are written; what no browser sends is refused.
func TestOriginsOfKeys(t *testing.T) {
	t.Parallel()
	const written = `["https://app.example.com/","HTTPS://Shop.Example.COM","https://pay.example.com:443","http://localhost:3000"]`
	g := newGateway(t, func(s *setup) {
		s.auth.APIKeys = `[{"name":"set","key":"` + keyAll + `","sub":["*"],"pub":["*"],"origins":` + written + `}]`
	})
	made := g.asAdmin(t, "POST", "/admin/keys", `{"name":"made","pub":["*"],"origins":`+written+`}`, 201)
	if got := fmt.Sprint(made["origins"]); got != "[https://app.example.com https://shop.example.com https://pay.example.com http://localhost:3000]" {
		t.Error(got)
	}
	for _, key := range []string{keyAll, made["key"].(string)} {
		for origin, status := range map[string]int{
			"https://app.example.com": 200, "https://shop.example.com": 200, "https://pay.example.com": 200, "http://localhost:3000": 200, "": 200,
			"https://other.example.com": 403, "http://app.example.com": 403, "https://app.example.com:8443": 403, "null": 403,
		} {
			(&scenario{name: origin, key: key, headers: map[string]string{"Origin": origin}, body: `{"event":"a"}`, status: status}).run(t, g)
		}
	}
	id := made["id"].(string)
	for _, bad := range []string{"app.example.com", "https://*.example.com", "https://app.example.com/path", "", "null"} {
		runAll(t, g, []scenario{
			{name: "make " + bad, path: "/admin/keys", key: adminKey, body: `{"name":"x","origins":["` + bad + `"]}`, status: 400, has: []string{"origin", "https://app.example.com"}},
			{name: "change to " + bad, method: "PATCH", path: "/admin/keys/" + id, key: adminKey, body: `{"origins":["` + bad + `"]}`, status: 400},
		})
	}
	g.asAdmin(t, "PATCH", "/admin/keys/"+id, `{"origins":["https://new.example.com/"]}`, 200)
	(&scenario{name: "changed", key: made["key"].(string), headers: map[string]string{"Origin": "https://new.example.com"}, body: `{"event":"a"}`, status: 200}).run(t, g)
}
