package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// answered is an answer of the admin API as it came.
type answered struct {
	status int
	head   http.Header
	text   string
	body   map[string]any
}

func (g *gateway) admin1(t testing.TB, method, path, body string, headers map[string]string) answered {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", gatewaytest.AdminKey)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	a, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answered{status: a.StatusCode, head: a.Header, text: string(text), body: map[string]any{}}
	_ = json.Unmarshal(text, &got.body) // a list has none
	return got
}

// A change with another version is refused. The answer has the present state, and nothing is changed.
func TestAdminVersions(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const password = "a password of hers"
	key := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"web","sub":["a","b"],"pub":["a"]}`, 201)
	secret := key["key"].(string)
	g.AsAdmin(t, "POST", "/admin/users", `{"email":"ann@example.org","password":"`+password+`","sub":["a","b"],"pub":["a"]}`, 201)
	for _, tt := range []struct{ list, path string }{
		{"/admin/keys", "/admin/keys/" + key["id"].(string)},
		{"/admin/users", "/admin/users/ann@example.org"},
	} {
		get := func() answered { return g.admin1(t, "GET", tt.path, "", nil) }
		change := func(tag, body string) answered {
			return g.admin1(t, "PATCH", tt.path, body, map[string]string{"If-Match": tag})
		}
		first := get()
		tag, version := first.head.Get("ETag"), first.body["version"]
		if version == nil || tag != fmt.Sprintf("%q", version) {
			t.Fatalf("%s: ETag %s, %s", tt.path, tag, first.text)
		}
		if list := g.admin1(t, "GET", tt.list, "", nil).text; !strings.Contains(list, fmt.Sprintf(`"version":%q`, version)) {
			t.Errorf("%s: the list has no %s: %s", tt.list, version, list)
		}
		// Without a condition it is as ever, and with the right one too.
		g.AsAdmin(t, "PATCH", tt.path, `{"sub":["a"]}`, 200)
		now := get()
		if now.head.Get("ETag") == tag {
			t.Errorf("%s: the ETag stays", tt.path)
		}
		for name, got := range map[string]answered{
			"PATCH":        change(tag, `{"sub":["a","b"],"pub":["c"]}`),
			"weak":         change("W/"+now.head.Get("ETag"), `{"pub":["c"]}`),
			"not a tag":    change("nothing", `{"pub":["c"]}`),
			"of two":       change(tag+`, "x"`, `{"pub":["c"]}`),
			"DELETE":       g.admin1(t, "DELETE", tt.path, "", map[string]string{"If-Match": tag}),
			"empty change": change(tag, `{}`),
		} {
			current, _ := got.body["current"].(map[string]any)
			if got.status != 412 || got.body["code"] != "version_mismatch" || current["version"] != now.body["version"] || fmt.Sprint(current["sub"]) != "[a]" {
				t.Errorf("%s %s: %d %s", name, tt.path, got.status, got.text)
			}
			for _, never := range []string{secret, password, "hash", "$2a$", "sha256"} {
				if strings.Contains(got.text, never) {
					t.Errorf("%s %s reveals %s: %s", name, tt.path, never, got.text)
				}
			}
		}
		if after := get(); after.text != now.text {
			t.Errorf("it changed from %s to %s", now.text, after.text)
		}
		got := change(`"other", `+now.head.Get("ETag"), `{"pub":["c"]}`)
		if got.status != 200 || got.head.Get("ETag") != fmt.Sprintf("%q", got.body["version"]) || fmt.Sprint(got.body["sub"], got.body["pub"]) != "[a] [c]" {
			t.Errorf("%s: %d %s %s", tt.path, got.status, got.head.Get("ETag"), got.text)
		}
		if got := change("*", `{"pub":["d"]}`); got.status != 200 {
			t.Errorf("%s *: %d %s", tt.path, got.status, got.text)
		}
		if got := g.admin1(t, "DELETE", tt.path, "", map[string]string{"If-Match": get().head.Get("ETag")}); got.status != 204 {
			t.Errorf("%s: %d %s", tt.path, got.status, got.text)
		}
		if got := change(tag, `{"pub":["d"]}`); got.status != 404 {
			t.Errorf("%s: %d %s", tt.path, got.status, got.text)
		}
	}
	// One of the same email is another user, whose versions are others.
	again := `{"email":"ann@example.org","password":"` + password + `"}`
	g.AsAdmin(t, "POST", "/admin/users", again, 201)
	tag := g.admin1(t, "GET", "/admin/users/ann@example.org", "", nil).head.Get("ETag")
	g.AsAdmin(t, "DELETE", "/admin/users/ann@example.org", "", 204)
	g.AsAdmin(t, "POST", "/admin/users", again, 201)
	if got := g.admin1(t, "DELETE", "/admin/users/ann@example.org", "", map[string]string{"If-Match": tag}); got.status != 412 {
		t.Errorf("%d %s", got.status, got.text)
	}
	// A key of the settings has no version, since it cannot be changed here.
	fixed := g.AsAdmin(t, "GET", "/admin/keys", "", 200)["list"].([]any)[0].(map[string]any)
	if got := g.admin1(t, "PATCH", "/admin/keys/"+fixed["id"].(string), `{"pub":[]}`, map[string]string{"If-Match": `"x"`}); fixed["version"] != nil || got.body["code"] != "read_only" {
		t.Errorf("%v: %s", fixed, got.text)
	}
}

// A repeat of a request that made a key gets its answer.
func TestAdminKeyOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	make1 := func(once, body string) answered {
		return g.admin1(t, "POST", "/admin/keys", body, map[string]string{"Idempotency-Key": once})
	}
	first, again := make1("form-1", `{"name":"web"}`), make1("form-1", `{"name":"web"}`)
	if first.status != 201 || again.status != 201 || again.text != first.text || first.head.Get("Idempotent-Replay") != "" || again.head.Get("Idempotent-Replay") != "true" {
		t.Errorf("%d %s, then %d %s", first.status, first.text, again.status, again.text)
	}
	if got := make1("form-1", `{"name":"other"}`); got.status != 409 || got.body["code"] != "idempotency_conflict" {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := make1("form 1", `{"name":"other"}`); got.status != 400 || got.body["code"] != "bad_idempotency_key" {
		t.Errorf("%d %s", got.status, got.text)
	}
	// A refused one may be made right under the same name.
	if got := make1("form-2", `{"name":""}`); got.status != 400 {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := make1("form-2", `{"name":"second"}`); got.status != 201 || got.text == first.text {
		t.Errorf("%d %s", got.status, got.text)
	}
	if n := g.Auth.StoredKeys(); n != 2 {
		t.Errorf("%d keys", n)
	}
}
