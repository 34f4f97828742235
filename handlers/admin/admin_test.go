package admin_test

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
	"sluice/gateway/gatewaytest"
)

func TestAdminRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	paths := []string{"/admin/keys", "/admin/keys/x", "/admin/connections", "/admin/stats"}
	var all []scenario
	for _, p := range paths {
		all = append(all,
			scenario{Name: "no key " + p, Path: p, Key: "-", Status: 401, Has: []string{"ADMIN_KEY"}},
			scenario{Name: "another key " + p, Path: p, Status: 401, Has: []string{`"invalid_admin_key"`}, HasNot: []string{gatewaytest.KeyAll}},
			scenario{Name: "in the query " + p, Path: p + "?apikey=" + gatewaytest.AdminKey, Key: "-", Status: 401},
			scenario{Name: "no CORS " + p, Path: p, Key: gatewaytest.AdminKey, Headers: map[string]string{"Origin": "https://a.example"}, Status: map[bool]int{true: 404, false: 200}[p == "/admin/keys/x"],
				ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "", "Cache-Control": "no-store"}},
		)
	}
	body := func(name, text string, has ...string) scenario {
		return scenario{Name: name, Path: "/admin/keys", Key: gatewaytest.AdminKey, Body: text, Status: 400, Has: has}
	}
	g.RunAll(t, append(all,
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
		scenario{Name: "wrong method", Method: "PUT", Path: "/admin/keys", Key: gatewaytest.AdminKey, Status: 405, ResponseHeaders: map[string]string{"Allow": "*any*"}},
		scenario{Name: "unknown connection", Method: "DELETE", Path: "/admin/connections/nope", Key: gatewaytest.AdminKey, Status: 404},
		scenario{Name: "unknown key", Method: "PATCH", Path: "/admin/keys/nope", Key: gatewaytest.AdminKey, Body: "{}", Status: 404},
		scenario{Name: "neither jti nor subject", Path: "/admin/revocations", Key: gatewaytest.AdminKey, Body: "{}", Status: 400},
		scenario{Name: "both", Path: "/admin/revocations", Key: gatewaytest.AdminKey, Body: `{"jti":"a","subject":"b"}`, Status: 400, Has: []string{`{"message":"give either jti or subject, of at most 1024 bytes","code":"bad_revocation"}`}},
		scenario{Name: "backup of memory", Path: "/admin/backup", Key: gatewaytest.AdminKey, Body: "{}", Status: 409, Has: []string{"DATA_DIR=memory", `"code":"no_backup"`}, ResponseHeaders: map[string]string{"Retry-After": ""}},
	))
	if keys := g.AsAdmin(t, "GET", "/admin/keys", "", 200)["list"].([]any); len(keys) != strings.Count(gatewaytest.Keys, `"name"`) {
		t.Errorf("%v", keys)
	}
}

// A key is made, seen once, edited and revoked; live streams follow within a second.
func TestAdminKeys(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"web","sub":["goal"],"pub":["goal"],"rest":["get:customer"],"origins":["https://a.example"],"rate":50,"frames":"publish","expires":"2999-01-01T00:00:00Z"}`, 201)
	key, id := made["key"].(string), made["id"].(string)
	if len(key) < 20 || made["name"] != "web" || made["rate"] != 50.0 || made["expires"] != "2999-01-01T00:00:00Z" || fmt.Sprint(made["rest"]) != "[GET:customer]" {
		t.Fatalf("%v", made)
	}
	got := g.AsAdmin(t, "GET", "/admin/keys/"+id, "", 200)
	if text, _ := json.Marshal(g.AsAdmin(t, "GET", "/admin/keys", "", 200)); strings.Contains(string(text), key) || got["key"] != nil || got["readonly"] != nil {
		t.Errorf("the key is shown again: %s", text)
	}
	events, stop := g.StreamEvents(t, key)
	defer stop()
	gatewaytest.NextOf(t, events, "init")
	g.Publish(t, `{"event":"goal","data":1}`)
	gatewaytest.NextOf(t, events, "publish")
	if got := g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["boing"],"expires":null}`, 200); got["expires"] != nil || got["name"] != "web" || fmt.Sprint(got["rest"]) != "[GET:customer]" {
		t.Errorf("%v", got)
	}
	if e := gatewaytest.NextOf(t, events, "expired"); !strings.Contains(e.Data, "changed") || e.Retry == 0 {
		t.Errorf("%+v", e)
	}
	events, stop = g.StreamEvents(t, key)
	defer stop()
	gatewaytest.NextOf(t, events, "init")
	g.Publish(t, `{"event":"goal","data":2}`)
	g.Publish(t, `{"event":"boing","data":3}`)
	if e := gatewaytest.NextOf(t, events, "publish"); !strings.Contains(e.Data, "boing") {
		t.Errorf("%+v", e)
	}
	g.AsAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
	if e := gatewaytest.NextOf(t, events, "expired"); !strings.Contains(e.Data, "revoked") {
		t.Errorf("%+v", e)
	}
	(&scenario{Name: "revoked", Key: key, Status: 401}).Run(t, g.Gateway)
	for _, k := range g.AsAdmin(t, "GET", "/admin/keys", "", 200)["list"].([]any) {
		k := k.(map[string]any)
		if k["readonly"] != true {
			t.Errorf("%v", k)
		}
		(&scenario{Name: "read-only", Method: "DELETE", Path: "/admin/keys/" + k["id"].(string), Key: gatewaytest.AdminKey, Status: 409, Has: []string{"settings"}}).Run(t, g.Gateway)
	}
}

// Who is connected is listed, and can be cut.
func TestAdminConnections(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		events, stop := g.StreamEvents(t, gatewaytest.KeyPut)
		defer stop()
		gatewaytest.NextOf(t, events, "init")
		list := g.AsAdmin(t, "GET", "/admin/connections", "", 200)
		one := list["list"].([]any)[0].(map[string]any)
		if len(list["list"].([]any)) != 1 || one["who"] != "put" || one["kind"] != "key" || one["channels"] != "chat-*,PUT:customer" || one["from"] != "127.0.0.1" {
			t.Errorf("%v", list)
		}
		stats := g.AsAdmin(t, "GET", "/admin/stats", "", 200)
		if stats["connections"] != 1.0 || stats["lagging"] != 0.0 || stats["version"] != "test" {
			t.Errorf("%v", stats)
		}
		g.AsAdmin(t, "DELETE", "/admin/connections/"+one["id"].(string), "", 204)
		deadline := time.After(5 * time.Second)
		for open := true; open; {
			select {
			case _, open = <-events:
			case <-deadline:
				t.Fatal("it was not cut")
			}
		}
		for g.Broker.Count() > 0 {
			time.Sleep(time.Millisecond)
		}
	})
}

// Figures come as a stream, which ends when the gateway drains.
func TestAdminStats(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.Publish(t, `{"event":"goal"}`)
	(&scenario{Name: "refused", Body: "{", Status: 400}).Run(t, g.Gateway)
	r, err := http.NewRequest(http.MethodGet, g.URL+"/admin/stats", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", gatewaytest.AdminKey)
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
	made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"server","sub":["inbox-*","news"],"pub":["chat"],"rest":["GET:*"]}`, 201)
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
		var got struct {
			Token   string
			Expires time.Time
		}
		_ = json.Unmarshal(text, &got) // refusals have neither
		return got.Token
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
	(&scenario{Name: "no key", Path: "/realtime/token", Key: "-", Body: "{}", Status: 401}).Run(t, g.Gateway)

	token := mint(`{"sub":["inbox-1"],"pub":["chat"],"ttl":"10m"}`, 200, `"expires":"`)
	bearer := map[string]string{"Authorization": "Bearer " + token}
	g.RunAll(t, []scenario{
		{Name: "more than its own", Path: "?channels=news", Key: "-", Headers: bearer, Status: 403},
		{Name: "may publish", Key: "-", Headers: bearer, Body: `{"event":"chat"}`, Status: 200},
		{Name: "may not publish", Key: "-", Headers: bearer, Body: `{"event":"news"}`, Status: 403},
		{Name: "no token for a token", Path: "/realtime/token", Key: "-", Headers: bearer, Body: `{"sub":["inbox-1"]}`, Status: 403},
		{Name: "not changed", Key: "-", Headers: map[string]string{"Authorization": "Bearer " + token[:len(token)-2]}, Body: `{"event":"chat"}`, Status: 401},
	})
	watch := func(token string) (<-chan ssetest.Event, func()) {
		t.Helper()
		events, stop := g.StreamEvents(t, token)
		gatewaytest.NextOf(t, events, "init")
		return events, stop
	}
	events, stop := watch(token)
	defer stop()
	g.Publish(t, `{"event":"news","data":1}`)
	g.Publish(t, `{"event":"inbox-1","data":2}`)
	if e := gatewaytest.NextOf(t, events, "inbox-1"); !strings.Contains(e.Data, "2") {
		t.Errorf("%+v", e)
	}

	// It is narrowed with its key.
	g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["news"]}`, 200)
	gatewaytest.NextOf(t, events, "expired")
	(&scenario{Name: "the key has it no more", Key: "-", Headers: bearer, Status: 403}).Run(t, g.Gateway)
	g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["inbox-*"]}`, 200)

	// One is revoked by its jti, others go on.
	other := mint(`{"sub":["inbox-2"]}`, 200)
	events, stop = watch(token)
	defer stop()
	stays, stopOther := watch(other)
	defer stopOther()
	if err := g.Auth.Revoke(t.Context(), auth.Revocation{JTI: jti(t, token)}); err != nil {
		t.Fatal(err)
	}
	if e := gatewaytest.NextOf(t, events, "expired"); !strings.Contains(e.Data, "revoked") {
		t.Errorf("%+v", e)
	}
	(&scenario{Name: "revoked", Key: "-", Headers: bearer, Body: `{"event":"chat"}`, Status: 401, Has: []string{`"revoked_token"`}}).Run(t, g.Gateway)
	g.Publish(t, `{"event":"inbox-2","data":3}`)
	gatewaytest.NextOf(t, stays, "inbox-2")
	g.AsAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
	gatewaytest.NextOf(t, stays, "expired")
	(&scenario{Name: "it ended with its key", Key: other, Status: 401}).Run(t, g.Gateway)
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
		s.APIKeys = `[{"name":"set","key":"` + gatewaytest.KeyAll + `","sub":["*"],"pub":["*"],"origins":` + written + `}]`
	})
	made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"made","pub":["*"],"origins":`+written+`}`, 201)
	if got := fmt.Sprint(made["origins"]); got != "[https://app.example.com https://shop.example.com https://pay.example.com http://localhost:3000]" {
		t.Error(got)
	}
	for _, key := range []string{gatewaytest.KeyAll, made["key"].(string)} {
		for origin, status := range map[string]int{
			"https://app.example.com": 200, "https://shop.example.com": 200, "https://pay.example.com": 200, "http://localhost:3000": 200, "": 200,
			"https://other.example.com": 403, "http://app.example.com": 403, "https://app.example.com:8443": 403, "null": 403,
		} {
			(&scenario{Name: origin, Key: key, Headers: map[string]string{"Origin": origin}, Body: `{"event":"a"}`, Status: status}).Run(t, g.Gateway)
		}
	}
	id := made["id"].(string)
	for _, bad := range []string{"app.example.com", "https://*.example.com", "https://app.example.com/path", "", "null"} {
		g.RunAll(t, []scenario{
			{Name: "make " + bad, Path: "/admin/keys", Key: gatewaytest.AdminKey, Body: `{"name":"x","origins":["` + bad + `"]}`, Status: 400, Has: []string{"origin", "https://app.example.com"}},
			{Name: "change to " + bad, Method: "PATCH", Path: "/admin/keys/" + id, Key: gatewaytest.AdminKey, Body: `{"origins":["` + bad + `"]}`, Status: 400},
		})
	}
	g.AsAdmin(t, "PATCH", "/admin/keys/"+id, `{"origins":["https://new.example.com/"]}`, 200)
	(&scenario{Name: "changed", Key: made["key"].(string), Headers: map[string]string{"Origin": "https://new.example.com"}, Body: `{"event":"a"}`, Status: 200}).Run(t, g.Gateway)
}
