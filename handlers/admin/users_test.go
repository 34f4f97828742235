package admin_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sluice/auth"
	"sluice/gateway/gatewaytest"
)

const usersPassword = "correct horse"

func TestUserRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	body := func(name, text string, has ...string) scenario {
		return scenario{Name: name, Path: "/admin/users", Key: gatewaytest.AdminKey, Body: text, Status: 400, Has: has, HasNot: []string{"short!!"}}
	}
	var all []scenario
	for _, p := range []string{"/admin/users", "/admin/users/ann@example.org"} {
		all = append(all,
			scenario{Name: "no key " + p, Path: p, Key: "-", Status: 401, Has: []string{"ADMIN_KEY"}},
			scenario{Name: "another key " + p, Path: p, Status: 401, Has: []string{`"invalid_admin_key"`}},
			scenario{Name: "no CORS " + p, Path: p, Key: gatewaytest.AdminKey, Headers: map[string]string{"Origin": "https://a.example"}, Status: map[bool]int{true: 200, false: 404}[p == "/admin/users"],
				ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "", "Cache-Control": "no-store"}},
		)
	}
	g.RunAll(t, append(all,
		scenario{Name: "none yet", Path: "/admin/users", Key: gatewaytest.AdminKey, Status: 200, Has: []string{"[]"}, ResponseHeaders: map[string]string{"X-Total-Count": "0"}},
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
		scenario{Name: "wrong method", Method: "PUT", Path: "/admin/users", Key: gatewaytest.AdminKey, Status: 405, ResponseHeaders: map[string]string{"Allow": "*any*"}},
		scenario{Name: "unknown", Method: "PATCH", Path: "/admin/users/ann@example.org", Key: gatewaytest.AdminKey, Body: "{}", Status: 404},
		scenario{Name: "unknown to delete", Method: "DELETE", Path: "/admin/users/ann@example.org", Key: gatewaytest.AdminKey, Status: 404},
	))
}

// A new user is shown without a hash, and can sign in. Its streams follow each change, and end with the user.
func TestUsers(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const one = "/admin/users/ann+x@example.org"
	made := g.AsAdmin(t, "POST", "/admin/users", `{"email":" Ann+X@Example.org","password":"`+usersPassword+`","sub":["goal"],"rest":["get:customer","PATCH:*"]}`, 201)
	want := func(user map[string]any, fields string) {
		t.Helper()
		created, _ := user["created"].(string)
		version, _ := user["version"].(string)
		delete(user, "created")
		delete(user, "version")
		if text, err := json.Marshal(user); err != nil || string(text) != fields || created == "" || version == "" {
			t.Errorf("%s created %q, want %s", text, created, fields)
		}
	}
	want(made, `{"active":true,"email":"ann+x@example.org","pub":[],"rest":["GET:customer","PUT:*"],"sub":["goal"]}`)
	(&scenario{Name: "again", Path: "/admin/users", Key: gatewaytest.AdminKey, Body: `{"email":"ann+x@example.org","password":"` + usersPassword + `"}`, Status: 409, Has: []string{`"user_exists"`}}).Run(t, g.Gateway)
	want(g.AsAdmin(t, "GET", "/admin/users/ANN%2Bx%40example.org", "", 200), `{"active":true,"email":"ann+x@example.org","pub":[],"rest":["GET:customer","PUT:*"],"sub":["goal"]}`)
	(&scenario{Name: "list", Path: "/admin/users", Key: gatewaytest.AdminKey, Status: 200, Has: []string{`[{"email":"ann+x@example.org",`}, HasNot: []string{"hash", `"id"`, g.Auth.Users().All()[0].Version, "$2a$"}, ResponseHeaders: map[string]string{"X-Total-Count": "1"}}).Run(t, g.Gateway)

	login := func() *auth.Session {
		t.Helper()
		s, err := g.Auth.Login(t.Context(), "", "ann+x@example.org", usersPassword)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	bearer := func(s *auth.Session) map[string]string {
		return map[string]string{"Authorization": "Bearer " + s.Access}
	}
	s := login()
	events, stop := g.StreamEvents(t, s.Access)
	defer stop()
	gatewaytest.NextOf(t, events, "init")
	g.Publish(t, `{"event":"goal","data":1}`)
	gatewaytest.NextOf(t, events, "goal")
	g.RunAll(t, []scenario{
		{Name: "may not publish", Key: "-", Headers: bearer(s), Body: `{"event":"goal"}`, Status: 403},
		{Name: "no token for a token", Path: "/realtime/token", Key: "-", Headers: bearer(s), Body: `{"sub":["goal"]}`, Status: 403},
		{Name: "a refresh token is no credential", Key: s.Refresh, Body: `{"event":"goal"}`, Status: 401},
	})

	for _, tt := range []struct{ method, body, reason string }{
		{"PATCH", `{"pub":["goal"],"rest":["*"]}`, "changed"},
		{"PATCH", `{"password":"` + usersPassword + `"}`, "changed"},
		{"PATCH", `{"active":false}`, "revoked"},
		{"DELETE", "", "revoked"},
	} {
		if tt.method == "DELETE" {
			g.AsAdmin(t, "PATCH", one, `{"active":true}`, 200)
			s = login()
			events, stop = g.StreamEvents(t, s.Access)
			defer stop()
			gatewaytest.NextOf(t, events, "init")
		}
		g.AsAdmin(t, tt.method, one, tt.body, map[string]int{"PATCH": 200, "DELETE": 204}[tt.method])
		if e := gatewaytest.NextOf(t, events, "expired"); !strings.Contains(e.Data, tt.reason) {
			t.Errorf("%s %s: %+v", tt.method, tt.body, e)
		}
		(&scenario{Name: "void", Key: "-", Headers: bearer(s), Body: `{"event":"goal"}`, Status: 401, Has: []string{`"revoked_token"`}}).Run(t, g.Gateway)
		if tt.reason == "revoked" {
			if _, err := g.Auth.Login(t.Context(), "", "ann+x@example.org", usersPassword); err == nil {
				t.Errorf("%s %s: it signs in", tt.method, tt.body)
			}
			continue
		}
		s = login()
		events, stop = g.StreamEvents(t, s.Access)
		defer stop()
		gatewaytest.NextOf(t, events, "init")
		(&scenario{Name: "may publish", Key: "-", Headers: bearer(s), Body: `{"event":"goal"}`, Status: 200}).Run(t, g.Gateway)
	}
	if list := g.AsAdmin(t, "GET", "/admin/users", "", 200); fmt.Sprint(list) != "map[list:[]]" {
		t.Errorf("%v", list)
	}
}
