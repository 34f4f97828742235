package openapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

func (r *recorder) documents(t *testing.T) {
	g := start(t)
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	large := `{"a":"` + strings.Repeat("x", 700_000) + `"}`
	r.run(t, g, []call{
		with("insertDocuments", "/rest/customer", keyAll, `{"_id":"ann","name":"Ann","age":30,"city":"Oslo"}`, 201),
		with("insertDocuments", "/rest/customer", keyAll, `[{"name":"Bob"},{"name":"Eve","age":31}]`, 201),
		with("insertDocuments", "/rest/customer", keyAll, `name=Form&tag[]=a`, 201, form...),
		with("insertDocuments", "/rest/customer", keyBlind, `{"_id":"blind"}`, 201),
		with("insertDocuments", "/rest/customer", keyAll, `{"_id":"ann"}`, 409),
		with("insertDocuments", "/rest/customer", keyAll, large, 413),
		{op: "insertDocuments", path: "/rest/customer", as: keyAll, headers: []string{"X-HTTP-Method-Override", "PUT"}, status: 405, wrong: true},
		with("insertDocuments", "/rest/customer.html", keyAll, "", 404),
		one("listDocuments", "/rest/customer", keyAll, 200),
		one("listDocuments", `/rest/customer?q={"age":{"$gt":3}}&h={"$max":10,"$orderby":{"age":-1}}&metafields=true`, keyAll, 200),
		one("listDocuments", "/rest/customer?totals=true&max=1&skip=1&sort=name&dir=-1&filter=a", keyAll, 200),
		one("listDocuments", "/rest/customer?totals=true&count=true", keyAll, 200),
		one("listDocuments", "/rest/customer?groupby=city", keyAll, 200),
		one("listDocuments", "/rest/customer?aggregate=SUM:age,COUNT:n", keyAll, 200),
		one("listDocuments", "/rest/customer?q={", keyAll, 400),
		one("listDocuments", "/rest/customer.js", keyAll, 404),
		one("getDocument", "/rest/customer/ann?metafields=true", keyAll, 200),
		one("getDocument", "/rest/customer/none", keyAll, 404),
		with("changeDocument", "/rest/customer/ann", keyAll, `{"$inc":{"age":1}}`, 200),
		with("changeDocument", "/rest/customer/ann?metafields=true", keyAll, `{"age":32}`, 200),
		with("changeDocument", "/rest/customer/blind", keyBlind, `{"age":32}`, 200),
		with("changeDocument", "/rest/customer/ann", keyAll, `age=33`, 200, form...),
		with("changeDocument", "/rest/customer/none", keyAll, "", 404),
		with("changeDocument", "/rest/customer/ann", keyAll, large, 413),
		with("patchDocument", "/rest/customer/ann", keyAll, `{"age":34}`, 200),
		with("patchDocument", "/rest/customer/none", keyAll, "", 404),
		with("patchDocument", "/rest/customer/ann", keyAll, large, 413),
		with("overrideMethod", "/rest/customer/ann", keyAll, `{"age":35}`, 200, "X-HTTP-Method-Override", "PATCH"),
		with("overrideMethod", "/rest/customer/none", keyAll, "", 404, "X-HTTP-Method-Override", "PUT"),
		with("overrideMethod", "/rest/customer/ann", keyAll, large, 413, "X-HTTP-Method-Override", "PUT"),
		{op: "overrideMethod", path: "/rest/customer/ann", as: keyAll, status: 405, wrong: true},
		{op: "overrideMethod", path: "/rest/customer/ann", as: keyAll, headers: []string{"X-HTTP-Method-Override", "SHOUT"}, status: 400, wrong: true},
		one("overrideMethod", "/rest/customer/blind", keyAll, 200, "X-HTTP-Method-Override", "DELETE"),
		one("deleteDocuments", "/rest/customer/ann", keyAll, 200),
		one("deleteDocuments", "/rest/customer/ann", keyAll, 404),
		with("deleteDocuments", "/rest/customer/*", keyAll, `["a","b"]`, 200),
		one("deleteDocuments", `/rest/customer/*?q={"name":"Bob"}&max=10`, keyAll, 200),
		one("deleteDocuments", "/rest/customer/*", keyAll, 400),
	})
	full := start(t, func(s *gatewaytest.Setup) { s.MaxCollectionBytes = 500 })
	long := `{"a":"` + strings.Repeat("x", 500) + `"}`
	r.run(t, full, []call{
		with("insertDocuments", "/rest/customer", keyAll, `{"_id":"ann"}`, 201),
		with("changeDocument", "/rest/customer/ann", keyAll, long, 409),
		with("patchDocument", "/rest/customer/ann", keyAll, long, 409),
		with("overrideMethod", "/rest/customer/ann", keyAll, long, 409, "X-HTTP-Method-Override", "PUT"),
	})
	r.run(t, g, []call{
		tiring,
		with("insertDocuments", "/rest/slow", keySlow, `{}`, 429),
		with("changeDocument", "/rest/slow/a", keySlow, `{}`, 429),
		with("patchDocument", "/rest/slow/a", keySlow, `{}`, 429),
		with("overrideMethod", "/rest/slow/a", keySlow, `{}`, 429, "X-HTTP-Method-Override", "PUT"),
		one("deleteDocuments", "/rest/slow/a", keySlow, 429),
	})
}

func (r *recorder) items(t *testing.T) {
	g := start(t)
	large := `{"a":"` + strings.Repeat("x", 700_000) + `"}`
	bearer := "Bearer " + keyAll
	blind := "Bearer " + keyBlind
	r.run(t, g, []call{
		with("createItems", "/items/m", bearer, `{"id":"a","text":"hi","n":1}`, 200),
		with("createItems", "/items/m?fields=id,text", bearer, `[{"text":"b"},{"id":7}]`, 200),
		with("createItems", "/items/m", blind, `{"id":"blind"}`, 204),
		with("createItems", "/items/m", bearer, `{"id":"a"}`, 400),
		with("createItems", "/items/m", bearer, large, 413),
		one("readItems", `/items/m?filter={"text":{"_eq":"hi"}}&sort=-date_created&limit=1&offset=0&page=1&search=h&meta=*&fields=*`, bearer, 200),
		one("readItems", "/items/m?filter[n][_gt]=0", bearer, 200),
		one("readItems", "/items/m?aggregate[count]=*&aggregate[sum]=n&groupBy[]=text", bearer, 200),
		one("readItems", "/items/m?filter={", bearer, 400),
		one("readItems", "/items/directus_users", bearer, 403),
		with("searchItems", "/items/m", bearer, "", 200),
		with("searchItems", "/items/m", bearer, `{"keys":["a"]}`, 200),
		one("readItem", "/items/m/a?fields=text", bearer, 200),
		one("readItem", "/items/m/a?deep={\"a\":1}", bearer, 400),
		one("readItem", "/items/m/none", bearer, 403),
		with("updateItems", "/items/m", bearer, `{"keys":["a"],"data":{"text":"ho"}}`, 200),
		with("updateItems", "/items/m", bearer, `{"query":{"filter":{"text":{"_eq":"ho"}}},"data":{"text":"hi"}}`, 200),
		with("updateItems", "/items/m", bearer, `[{"id":"a","text":"ho"}]`, 200),
		with("updateItems", "/items/m", blind, `{"keys":["blind"],"data":{"text":"ho"}}`, 204),
		with("updateItems", "/items/m", bearer, `{"keys":["a"],"data":`+large+`}`, 413),
		with("updateItem", "/items/m/a", bearer, "", 200),
		with("updateItem", "/items/m/blind", blind, "", 204),
		with("updateItem", "/items/m/a", bearer, large, 413),
		one("deleteItem", "/items/m/a", bearer, 204),
		one("deleteItem", "/items/m/none", bearer, 403),
		with("deleteItems", "/items/m", bearer, `["blind"]`, 204),
		with("deleteItems", "/items/m", bearer, `{"keys":["7"]}`, 204),
		with("deleteItems", "/items/m", bearer, `{"query":{"filter":{"text":{"_eq":"b"}}}}`, 204),
		one("getMe", "/users/me?fields=id", bearer, 200),
		one("getMe", "/users/me", bearer, 200),
		one("getMe", "/users/me?fields=a.b.c.d.e.f.g.h.i.j.k.l.m.n", bearer, 0),
		one("getMe", "/users/me?aggregate[count]=*", bearer, 400),
		one("openSocket", "/websocket?access_token="+keyAll, "", 101, upgrade...),
		one("openSocket", "/websocket", "", 426),
	})
	slow := "Bearer " + keySlow
	r.run(t, g, []call{
		tiring,
		with("createItems", "/items/slow", slow, `{}`, 429),
		with("updateItems", "/items/slow", slow, `{"keys":["a"],"data":{}}`, 429),
		with("deleteItems", "/items/slow", slow, `["a"]`, 429),
		with("updateItem", "/items/slow/a", slow, `{}`, 429),
		one("deleteItem", "/items/slow/a", slow, 429),
	})
	crowded := start(t, func(s *gatewaytest.Setup) { s.MaxConnectionsPerKey = 1 })
	crowded.Socket(t, keyAll)
	r.send(t, crowded, one("openSocket", "/websocket?access_token="+keyAll, "", 403, upgrade...))
}

func (r *recorder) sessions(t *testing.T) {
	g := start(t)
	g.AddUser(t, "ann@example.com", "correct horse")
	_, text := r.send(t, g, with("login", "", "", "", 200))
	var session struct {
		Data struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
	}
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		t.Fatal(err)
	}
	refresh := `{"refresh_token":"` + session.Data.Refresh + `"}`
	r.run(t, g, []call{
		one("getMe", "", "Bearer "+session.Data.Access, 200),
		with("login", "", "", `{"email":"ann@example.com","password":"wrong"}`, 401),
		with("refresh", "", "", refresh, 200),
		with("refresh", "", "", refresh, 401),
		with("logout", "", "", refresh, 204),
		with("refresh", "", "", `{"refresh_token":1}`, 400),
	})
	for range 400 {
		if answer, _ := r.send(t, g, with("refresh", "", "", `{"refresh_token":"guess"}`, 0)); answer == nil || answer.StatusCode == 429 {
			break
		}
	}
}

func (r *recorder) admin(t *testing.T) {
	g := start(t)
	open(t, g, keyAll, "/realtime")
	_, text := r.send(t, g, with("createKey", "", admin, "", 201, "Idempotency-Key", "k-1"))
	var key struct{ ID, Version string }
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		t.Fatal(err)
	}
	_, text = r.send(t, g, one("listConnections", "/admin/connections?search=all&limit=1", admin, 200))
	var connections []struct{ ID string }
	if err := json.Unmarshal([]byte(text), &connections); err != nil || len(connections) != 1 {
		t.Fatal(text, err)
	}
	readonly := readonlyKey(t, g)
	r.run(t, g, []call{
		with("createKey", "", admin, "", 201, "Idempotency-Key", "k-1"),
		with("createKey", "", admin, `{"name":"other"}`, 409, "Idempotency-Key", "k-1"),
		with("createKey", "", admin, `{"name":"other","sub":["a:b:c"]}`, 400),
		one("listKeys", "/admin/keys?search=web&limit=1", admin, 200),
		one("listKeys", "/admin/keys?limit=1", admin, 200),
		{op: "listKeys", path: "/admin/keys?limit=0", as: admin, status: 400, wrong: true},
		one("getKey", "/admin/keys/"+key.ID, admin, 200),
		with("changeKey", "/admin/keys/"+key.ID, admin, "", 412, "If-Match", `"other"`),
		with("changeKey", "/admin/keys/"+key.ID, admin, "", 200, "If-Match", `"`+key.Version+`"`),
		with("changeKey", "/admin/keys/"+key.ID, admin, `{"rate":-1}`, 400),
		with("changeKey", "/admin/keys/"+readonly, admin, "", 409),
		one("deleteKey", "/admin/keys/"+readonly, admin, 409),
		one("deleteKey", "/admin/keys/"+key.ID, admin, 412, "If-Match", `"other"`),
		one("deleteKey", "/admin/keys/"+key.ID, admin, 204),
		with("createUser", "", admin, "", 201),
		with("createUser", "", admin, "", 409),
		with("createUser", "", admin, `{"email":"bob@example.org","password":"short"}`, 400),
		one("listUsers", "/admin/users?search=ann", admin, 200),
		one("listUsers", "/admin/users?after=!", admin, 400),
		one("getUser", "", admin, 200),
		with("changeUser", "", admin, "", 200),
		with("changeUser", "", admin, "", 412, "If-Match", `"other"`),
		with("changeUser", "", admin, `{"password":"short"}`, 400),
		one("removeUser", "", admin, 412, "If-Match", `"other"`),
		one("removeUser", "", admin, 204),
		one("listConnections", "/admin/connections?node=b", admin, 400),
		one("cutConnection", "/admin/connections/"+connections[0].ID, admin, 204),
		one("getStats", "", admin, 200),
		one("getStats", "/admin/stats?node=b", admin, 400),
		one("getStats", "", admin, 200, "Accept", "text/event-stream"),
		one("readAudit", "/admin/audit?from=earliest&until=caught-up", admin, 200),
		one("readAudit", "/admin/audit?to=1", admin, 204, "Last-Event-ID", "999999999999999"),
		one("readAudit", "/admin/audit?from=earliest&after=1", admin, 400),
		one("makeBackup", "", admin, 409),
		with("revokeToken", "", admin, "", 201),
		with("revokeToken", "", admin, `{"jti":"a"}`, 201),
		{op: "revokeToken", as: admin, body: `{"jti":"a","subject":"b"}`, status: 400, wrong: true},
	})
	onDisk := start(t, gatewaytest.OnPebble(t), func(s *gatewaytest.Setup) { s.DataDir = t.TempDir() })
	r.send(t, onDisk, one("makeBackup", "", admin, 0))
	all := gatewaytest.Cluster(t, 1)
	open(t, all[0], gatewaytest.KeyAll, "/realtime")
	r.run(t, all[0], []call{
		one("getCluster", "", admin, 200),
		one("getStats", "", admin, 200),
		one("getStats", "/admin/stats?node=n0", admin, 200),
		one("getStats", "/admin/stats?node=none", admin, 404),
		one("listConnections", "/admin/connections?node=n0", admin, 200),
		one("listConnections", "", admin, 200),
		one("listConnections", "/admin/connections?node=none", admin, 404),
	})
}

// readonlyKey is the id of a key of the settings.
func readonlyKey(t *testing.T, g *gatewaytest.Gateway) string {
	t.Helper()
	return g.AsAdmin(t, "GET", "/admin/keys?search=blind", "", 200)["list"].([]any)[0].(map[string]any)["id"].(string)
}

func (r *recorder) service(t *testing.T) {
	g := start(t)
	for _, op := range []string{"getDashboard", "getDashboardFile", "getSdkFile", "getRestdbClient", "getRestdbPage", "getOpenapi", "getAsyncapi"} {
		answer, _ := r.send(t, g, one(op, "", "", 200))
		r.send(t, g, one(op, "", "", 304, "If-None-Match", answer.Header.Get("ETag")))
	}
	r.run(t, g, []call{
		one("getDashboardFile", "/ui/app.css", "", 200),
		one("getDashboardFile", "/ui/none.js", "", 404),
		one("getSdkFile", "/sdk/sluice.d.ts", "", 200),
		one("getSdkFile", "/sdk/package.json", "", 200),
		one("getSdkFile", "/sdk/none.js", "", 404),
		one("isAlive", "", "", 200),
		one("isReady", "", "", 200),
		one("getMetrics", "", "", 200),
		one("getMetrics", "", "", 403, "Via", "1.1 proxy"),
		one("getMetrics", "", admin, 200, "Via", "1.1 proxy"),
		one("ping", "", "", 200),
	})
}
