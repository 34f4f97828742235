package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sluice/auth"
)

const usersPassword = "correct horse"

func TestUserRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	body := func(name, text string, has ...string) scenario {
		return scenario{name: name, path: "/admin/users", key: adminKey, body: text, status: 400, has: has, hasNot: []string{"short!!"}}
	}
	var all []scenario
	for _, p := range []string{"/admin/users", "/admin/users/ann@example.org"} {
		all = append(all,
			scenario{name: "no key " + p, path: p, key: "-", status: 401, has: []string{"ADMIN_KEY"}},
			scenario{name: "another key " + p, path: p, status: 401, has: []string{`"invalid_admin_key"`}},
			scenario{name: "no CORS " + p, path: p, key: adminKey, headers: map[string]string{"Origin": "https://a.example"}, status: map[bool]int{true: 200, false: 404}[p == "/admin/users"],
				answers: map[string]string{"Access-Control-Allow-Origin": "", "Cache-Control": "no-store"}},
		)
	}
	runAll(t, g, append(all,
		scenario{name: "none yet", path: "/admin/users", key: adminKey, status: 200, has: []string{"[]"}, answers: map[string]string{"X-Total-Count": "0"}},
		body("no JSON", "{"),
		body("unknown field", `{"email":"ann@example.org","password":"long enough","hash":"x"}`),
		body("no email", `{"password":"long enough"}`, "email", "bad_user"),
		body("no address", `{"email":"ann","password":"long enough"}`, "ann@example.org"),
		body("no password", `{"email":"ann@example.org"}`, "password"),
		body("short password", `{"email":"ann@example.org","password":"short!!"}`, "8 to 72"),
		body("long password", `{"email":"ann@example.org","password":"`+strings.Repeat("x", 73)+`"}`, "8 to 72"),
		body("password no text", `{"email":"ann@example.org","password":12345678}`),
		body("bad channel", `{"email":"ann@example.org","password":"long enough","sub":["put"]}`, "sub"),
		body("bad documents", `{"email":"ann@example.org","password":"long enough","rest":["chat"]}`, "METHOD:collection"),
		scenario{name: "wrong method", method: "PUT", path: "/admin/users", key: adminKey, status: 405, answers: map[string]string{"Allow": "*any*"}},
		scenario{name: "unknown", method: "PATCH", path: "/admin/users/ann@example.org", key: adminKey, body: "{}", status: 404},
		scenario{name: "unknown to delete", method: "DELETE", path: "/admin/users/ann@example.org", key: adminKey, status: 404},
	))
}

// A user is made, told without any hash, and signs in; what it opened follows each change, and ends with it.
func TestUsers(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const one = "/admin/users/ann+x@example.org"
	made := g.asAdmin(t, "POST", "/admin/users", `{"email":" Ann+X@Example.org","password":"`+usersPassword+`","sub":["goal"],"rest":["get:customer","PATCH:*"]}`, 201)
	want := func(told map[string]any, fields string) {
		t.Helper()
		created, _ := told["created"].(string)
		version, _ := told["version"].(string)
		delete(told, "created")
		delete(told, "version")
		if text, err := json.Marshal(told); err != nil || string(text) != fields || created == "" || version == "" {
			t.Errorf("%s created %q, want %s", text, created, fields)
		}
	}
	want(made, `{"active":true,"email":"ann+x@example.org","pub":[],"rest":["GET:customer","PUT:*"],"sub":["goal"]}`)
	(&scenario{name: "again", path: "/admin/users", key: adminKey, body: `{"email":"ann+x@example.org","password":"` + usersPassword + `"}`, status: 409, has: []string{`"user_exists"`}}).run(t, g)
	want(g.asAdmin(t, "GET", "/admin/users/ANN%2Bx%40example.org", "", 200), `{"active":true,"email":"ann+x@example.org","pub":[],"rest":["GET:customer","PUT:*"],"sub":["goal"]}`)
	(&scenario{name: "list", path: "/admin/users", key: adminKey, status: 200, has: []string{`[{"email":"ann+x@example.org",`}, hasNot: []string{"hash", `"id"`, g.auth.Users().All()[0].Version, "$2a$"}, answers: map[string]string{"X-Total-Count": "1"}}).run(t, g)

	login := func() *auth.Session {
		t.Helper()
		s, err := g.auth.Login(t.Context(), "", "ann+x@example.org", usersPassword)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	bearer := func(s *auth.Session) map[string]string {
		return map[string]string{"Authorization": "Bearer " + s.Access}
	}
	s := login()
	events, stop := lines(t, g, s.Access)
	defer stop()
	next(t, events, "init")
	g.publish(t, `{"event":"goal","data":1}`)
	next(t, events, "goal")
	runAll(t, g, []scenario{
		{name: "may not publish", key: "-", headers: bearer(s), body: `{"event":"goal"}`, status: 403},
		{name: "no token for a token", path: "/realtime/token", key: "-", headers: bearer(s), body: `{"sub":["goal"]}`, status: 403},
		{name: "a refresh token is no credential", key: s.Refresh, body: `{"event":"goal"}`, status: 401},
	})

	for _, tt := range []struct{ method, body, reason string }{
		{"PATCH", `{"pub":["goal"],"rest":["*"]}`, "changed"},
		{"PATCH", `{"password":"` + usersPassword + `"}`, "changed"},
		{"PATCH", `{"active":false}`, "revoked"},
		{"DELETE", "", "revoked"},
	} {
		if tt.method == "DELETE" {
			g.asAdmin(t, "PATCH", one, `{"active":true}`, 200)
			s = login()
			events, stop = lines(t, g, s.Access)
			defer stop()
			next(t, events, "init")
		}
		g.asAdmin(t, tt.method, one, tt.body, map[string]int{"PATCH": 200, "DELETE": 204}[tt.method])
		if e := next(t, events, "expired"); !strings.Contains(e.Data, tt.reason) {
			t.Errorf("%s %s: %+v", tt.method, tt.body, e)
		}
		(&scenario{name: "void", key: "-", headers: bearer(s), body: `{"event":"goal"}`, status: 401, has: []string{`"revoked_token"`}}).run(t, g)
		if tt.reason == "revoked" {
			if _, err := g.auth.Login(t.Context(), "", "ann+x@example.org", usersPassword); err == nil {
				t.Errorf("%s %s: it signs in", tt.method, tt.body)
			}
			continue
		}
		s = login()
		events, stop = lines(t, g, s.Access)
		defer stop()
		next(t, events, "init")
		(&scenario{name: "may publish", key: "-", headers: bearer(s), body: `{"event":"goal"}`, status: 200}).run(t, g)
	}
	if list := g.asAdmin(t, "GET", "/admin/users", "", 200); fmt.Sprint(list) != "map[list:[]]" {
		t.Errorf("%v", list)
	}
}
