package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

func TestRevocationsAreListed(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	const path = "/admin/revocations"
	ask := func(query string, has []string, hasNot []string, headers map[string]string) scenario {
		return scenario{Name: query, Path: path + query, Key: gatewaytest.AdminKey, Status: 200, Has: has, HasNot: hasNot, ResponseHeaders: headers}
	}
	counts := func(total, match string) map[string]string {
		return map[string]string{"X-Total-Count": total, "X-Match-Count": match, "Cache-Control": "no-store"}
	}
	none := ask("", []string{"[]"}, nil, counts("0", "0"))
	none.Run(t, g.Gateway)
	for _, body := range []string{`{"subject":"b"}`, `{"jti":"z"}`, `{"jti":"Abc"}`, `{"subject":"abd"}`, `{"jti":"z"}`} {
		g.AsAdmin(t, "POST", path, body, 201)
	}
	list := g.AsAdmin(t, "GET", path, "", 200)["list"].([]any)
	var order []string
	for _, one := range list {
		r := one.(map[string]any)
		if at, _ := r["revoked"].(string); !strings.HasSuffix(at, "Z") {
			t.Errorf("%v has no time", r)
		}
		delete(r, "revoked")
		order = append(order, fmt.Sprint(r))
	}
	if got, want := strings.Join(order, " "), "map[jti:Abc] map[jti:z] map[subject:abd] map[subject:b]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	first := ask("?limit=3", []string{"Abc", `"z"`, "abd"}, []string{`"b"`}, counts("4", "4"))
	first.ResponseHeaders["Link"] = `<?after=MmFiZA&limit=3>; rel="next"`
	last := ask("?limit=3&after=MmFiZA", []string{`[{"subject":"b",`}, []string{"jti", "abd"}, counts("4", "4"))
	last.ResponseHeaders["Link"] = ""
	g.RunAll(t, []scenario{
		first, last,
		ask("?search=AB", []string{"Abc", "abd"}, []string{`"z"`, `"b"`}, counts("4", "2")),
		ask("?limit=4", []string{`"b"`}, nil, map[string]string{"Link": ""}),
		{Name: "limit", Path: path + "?limit=1001", Key: gatewaytest.AdminKey, Status: 400, Has: []string{"bad_parameter"}},
		{Name: "no admin", Path: path, Status: 401, Has: []string{"invalid_admin_key"}, HasNot: []string{"Abc"}},
	})
}

// The administrator makes a token for a key without the key: it grants what it names, ends with the key, and is in the trail.
func TestTokenByAdministrator(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	made := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"web","sub":["goal","chat-*"],"pub":["goal"],"rest":["GET:customer"]}`, 201)
	id := made["id"].(string)
	path := "/admin/keys/" + id + "/tokens"
	refuse := func(name, path, body string, status int, has ...string) scenario {
		return scenario{Name: name, Path: path, Key: gatewaytest.AdminKey, Body: body, Status: status, Has: has, HasNot: []string{"eyJ"}}
	}
	old := g.AsAdmin(t, "POST", "/admin/keys", `{"name":"old","sub":["goal"],"expires":"2001-01-01T00:00:00Z"}`, 201)
	g.RunAll(t, []scenario{
		refuse("nothing", path, `{}`, 400, "bad_token_request", "grant nothing"),
		refuse("ttl", path, `{"sub":["goal"],"ttl":"25h"}`, 400, "bad_token_request", "1s to 24h"),
		refuse("unknown field", path, `{"sub":["goal"],"origins":["https://a.example"]}`, 400, "bad_json"),
		refuse("pattern", path, `{"sub":["a:b:c"]}`, 400, "bad_token_request"),
		refuse("more than the key", path, `{"sub":["other"]}`, 403, "forbidden", "other"),
		refuse("more documents", path, `{"rest":["POST:customer"]}`, 403, "forbidden"),
		refuse("no key", "/admin/keys/nobody/tokens", `{"sub":["goal"]}`, 404, "not_found"),
		refuse("expired key", "/admin/keys/"+old["id"].(string)+"/tokens", `{"sub":["goal"]}`, 400, "bad_token_request", "expired"),
		{Name: "not with the key", Path: path, Key: made["key"].(string), Body: `{"sub":["goal"]}`, Status: 401, Has: []string{"invalid_admin_key"}, HasNot: []string{"eyJ"}},
		{Name: "GET", Path: path, Key: gatewaytest.AdminKey, Status: 405, ResponseHeaders: map[string]string{"Allow": "*any*"}},
	})
	answer := g.AsAdmin(t, "POST", path, `{"sub":["goal"],"pub":["goal"],"ttl":"1m"}`, 201)
	token, _ := answer["token"].(string)
	if at, _ := answer["expires"].(string); len(answer) != 2 || !strings.HasSuffix(at, "Z") {
		t.Errorf("%v", answer)
	}
	bearer := map[string]string{"Authorization": "Bearer " + token}
	g.RunAll(t, []scenario{
		{Name: "publishes", Key: "-", Headers: bearer, Body: `{"event":"goal"}`, Status: 200},
		{Name: "narrower than the key", Key: "-", Headers: bearer, Path: "/realtime?channels=chat-1&until=caught-up", Status: 403, Has: []string{"forbidden"}},
		{Name: "makes no token", Path: "/realtime/token", Key: "-", Headers: bearer, Body: `{"sub":["goal"]}`, Status: 403},
	})
	text, _ := g.ReadAudit(t, "?until=caught-up&types=token.create")
	if !strings.Contains(text, `"target":"`+id+`"`) || strings.Contains(text, token) {
		t.Errorf("the trail has %s", text)
	}
	fixed := g.AsAdmin(t, "GET", "/admin/keys", "", 200)["list"].([]any)[0].(map[string]any)
	if fixed["readonly"] != true {
		t.Fatalf("%v is no key of the settings", fixed)
	}
	g.AsAdmin(t, "POST", "/admin/keys/"+fixed["id"].(string)+"/tokens", `{"sub":["goal"]}`, 201)
	g.AsAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
	(&scenario{Name: "ends with the key", Key: "-", Headers: bearer, Body: `{"event":"goal"}`, Status: 401, Has: []string{"revoked_token"}}).Run(t, g.Gateway)
}
