package openapi_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"sluice/gateway/gatewaytest"
)

// parameters sends requests for the parameters that no other request has.
func (r *recorder) parameters(t *testing.T) {
	t.Run("databases", func(t *testing.T) { r.selections(t) })
	t.Run("pages", func(t *testing.T) { r.pages(t) })
	t.Run("versions", func(t *testing.T) { r.versions(t) })
	t.Run("others", func(t *testing.T) { r.others(t) })
}

// selections are the parameters of the three feeds, and those of lists of streams.
func (r *recorder) selections(t *testing.T) {
	g := start(t)
	demo := gatewaytest.Basic("demo", "demo")
	json := []string{"Accept", "application/json"}
	for _, id := range []string{"a", "b", "c"} {
		g.RequestAs(t, "demo", "POST", "/events", `{"data":{},"meta":{"db":"demo","ns":"shop","stream":"s","type":"t","id":"`+id+`"}}`)
	}
	for op, feed := range map[string]string{
		"readDatabase": "/db/demo/events?ns=shop&stream=s&", "readNamespace": "/db/demo/ns/shop/events?stream=s&", "readStream": "/db/demo/ns/shop/streams/s/events?",
	} {
		r.run(t, g, []call{
			one(op, feed+"from=a&to=b", demo, 200, json...),
			one(op, feed+"after=a&until=c&types=t,u&limit=1&schema=jsonapi", demo, 200, json...),
			one(op, feed+"limit=1", demo, 200, "Last-Event-ID", "1"),
		})
	}
	r.run(t, g, []call{
		one("listStreams", "/db/demo/streams?ns=shop", demo, 200),
		one("destroyStream", "/db/demo/streams/s?ns=shop", demo, 204),
		one("createDatabase", "/db/bank", root, 204),
		one("grantRole", "/db/bank/grant?email=demo&role=reader", root, 200),
		one("revokeRole", "/db/bank/revoke?email=demo", root, 204),
	})
}

var nextPage = regexp.MustCompile(`<(\?[^>]+)>; rel="next"`)

// pages follows the lists of the administrator.
func (r *recorder) pages(t *testing.T) {
	g := start(t, gatewaytest.OnPebble(t), func(s *gatewaytest.Setup) { s.DataDir, s.RoomCreate = t.TempDir(), "open" })
	room := g.NewRoom(t)
	g.NewRoom(t)
	for _, name := range []string{"a", "b"} {
		g.AddUser(t, name+"@example.org", "correct horse")
		open(t, g, keyAll, "/realtime")
		g.Publish(t, `{"event":"goal","stream":"`+name+`"}`)
		g.Push(t, room, `{"type":"push","key":"`+name+`","value":1,"action":{"type":"append"}}`)
		g.AsAdmin(t, "POST", "/admin/revocations", `{"jti":"`+name+`"}`, 201)
		r.run(t, g, []call{
			with("makeBackup", "", admin, "", 201),
			with("insertDocuments", "/rest/"+name, keyAll, `{}`, 201),
			one("createDatabase", "/db/"+name, root, 204),
			with("appendEvent", "", root, `{"data":{},"meta":{"db":"demo","ns":"`+name+`","stream":"s","type":"t"}}`, 201),
		})
	}
	for op, path := range map[string]string{
		"listKeys": "/admin/keys", "listUsers": "/admin/users", "listConnections": "/admin/connections", "listRevocations": "/admin/revocations",
		"listBackups": "/admin/backups", "listNamedStreams": "/admin/streams", "listRooms": "/admin/rooms", "readRoom": "/admin/rooms/" + room,
		"listCollections": "/admin/collections", "listAllDatabases": "/admin/databases", "listAllNamespaces": "/admin/databases/demo/namespaces",
		"listAllStreams": "/admin/databases/demo/streams",
	} {
		answer, _ := r.send(t, g, one(op, path+"?limit=1", admin, 200))
		next := nextPage.FindStringSubmatch(answer.Header.Get("Link"))
		if next == nil {
			t.Fatalf("%s: Link is %q", path, answer.Header.Get("Link"))
		}
		r.send(t, g, one(op, path+next[1], admin, 200))
	}
}

// versions are changes on a version.
func (r *recorder) versions(t *testing.T) {
	g := start(t)
	_, text := r.send(t, g, with("createKey", "", admin, "", 201))
	var key struct{ ID, Version string }
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		t.Fatal(err)
	}
	r.run(t, g, []call{
		one("deleteKey", "/admin/keys/"+key.ID, admin, 204, "If-Match", `"`+key.Version+`"`),
		with("createUser", "", admin, "", 201),
		with("changeUser", "", admin, "", 200, "If-Match", "*"),
		one("removeUser", "", admin, 204, "If-Match", "*"),
	})
}

func (r *recorder) others(t *testing.T) {
	g := start(t)
	bearer := "Bearer " + keyAll
	r.run(t, g, []call{
		with("insertDocuments", "/rest/customer", keyAll, `{"_id":"ann","name":"Ann"}`, 201, "X-HTTP-Method-Override", "POST"),
		with("patchDocument", "/rest/customer/ann?metafields=true", keyAll, "", 200),
		with("overrideMethod", "/rest/customer/ann?metafields=true", keyAll, "", 200, "X-HTTP-Method-Override", "PUT"),
		one("deleteDocuments", "/rest/customer/*?q={}&filter=ann", keyAll, 200),
		with("createItems", "/items/m", bearer, `{"id":"a","text":"hi"}`, 200),
		with("updateItems", "/items/m?fields=id", bearer, `{"keys":["a"],"data":{"text":"ho"}}`, 200),
		with("updateItem", "/items/m/a?fields=id", bearer, "", 200),
		one("getRoom", "/room/a", "", 200),
		one("subscribeToRoom", "/room/a/events", "", 200, "Last-Event-ID", "12"),
		one("readAudit", "/admin/audit?types=key.create&limit=1&after=earliest&until=caught-up&lastEventId=1", admin, 200),
	})
}
