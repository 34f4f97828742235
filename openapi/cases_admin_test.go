package openapi_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
)

// stored are the administrator's requests for what the gateway stores.
func (r *recorder) stored(t *testing.T) {
	t.Run("events", func(t *testing.T) { r.storedEvents(t) })
	t.Run("rooms", func(t *testing.T) { r.storedRooms(t) })
	t.Run("documents", func(t *testing.T) { r.storedDocuments(t) })
	t.Run("databases", func(t *testing.T) { r.storedDatabases(t) })
	t.Run("cluster", func(t *testing.T) { r.storedInCluster(t) })
}

func (r *recorder) storedEvents(t *testing.T) {
	g := start(t)
	open(t, g, keyAll, "/realtime")
	first := g.Publish(t, `{"event":"put","collection":"customer","data":{"a":1},"stream":"s"}`)
	second := g.Publish(t, `{"event":"boing","stream":"t","except":"Yk1ZV2J4c3VyRmF0ZWxpdA"}`)
	third := g.Publish(t, `{"event":"boing"}`)
	appended := g.Publish(t, `{"space":"$db/demo","event":"deposit","stream":"a","data":{"amount":50}}`)
	unknown, err := g.Broker.Log().Append(t.Context(), &eventlog.Request{Events: []eventlog.Event{{Name: "goal", Data: []byte("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	retraction := []string{"Idempotency-Key", "r-1"}
	lines := []string{"Accept", "application/x-ndjson"}
	r.run(t, g, []call{
		one("readEvents", "/admin/events?channels=PUT:customer,$db/demo&frames=publish&from=earliest&until=caught-up", admin, 200),
		one("readEvents", "/admin/events?stream=s&types=put,boing&after=earliest&limit=1", admin, 200, lines...),
		one("readEvents", "/admin/events?until="+third+"&lastEventId=1", admin, 200, lines...),
		one("readEvents", "/admin/events?to="+third, admin, 200, "Last-Event-ID", first),
		one("readEvents", "/admin/events?to="+first, admin, 204, "Last-Event-ID", second),
		one("readEvents", "/admin/events?limit=0", admin, 400),
		one("readEvents", "/admin/events?channels=@none", admin, 404),
		one("getEventWay", "/admin/events/"+first, admin, 200),
		one("getEventWay", "/admin/events/"+second, admin, 200),
		one("getEventWay", fmt.Sprint("/admin/events/", unknown), admin, 200), // no request has sent it
		one("getEventWay", "/admin/events/"+appended+"?space=$db/demo", admin, 200),
		{op: "getEventWay", path: "/admin/events/x", as: admin, status: 400, wrong: true},
		one("getEventWay", "/admin/events/"+first+"?space=x", admin, 400),
		one("getEventWay", "/admin/events/1", admin, 404),
		one("retractEvent", "/admin/events/"+first, admin, 200, retraction...),
		one("retractEvent", "/admin/events/"+first, admin, 200, retraction...),
		one("retractEvent", "/admin/events/"+second, admin, 409, retraction...),
		one("retractEvent", "/admin/events/"+first, admin, 404),
		{op: "retractEvent", path: "/admin/events/x", as: admin, status: 400, wrong: true},
		one("getEventWay", "/admin/events/"+first, admin, 200), // it is gone
		one("listNamedStreams", "/admin/streams?prefix=s", admin, 200),
		one("listNamedStreams", "/admin/streams?limit=501", admin, 400),
		one("listConnections", "/admin/connections?group=channel", admin, 200),
		one("listConnections", "/admin/connections?group=other", admin, 400),
		one("listConnections", "/admin/connections?sort=lag", admin, 200),
		one("listConnections", "/admin/connections?sort=other", admin, 400),
	})
	_, text := r.send(t, g, one("retractEvent", "/admin/events/"+second, admin, 200))
	var retracted struct{ ID string }
	if err := json.Unmarshal([]byte(text), &retracted); err != nil {
		t.Fatal(text, err)
	}
	r.send(t, g, one("getEventWay", "/admin/events/"+retracted.ID, admin, 200))
	_, text = r.send(t, g, one("listConnections", "/admin/connections?group=key&search=all", admin, 200))
	var groups []struct{ Group string }
	if err := json.Unmarshal([]byte(text), &groups); err != nil || len(groups) != 1 {
		t.Fatal(text, err)
	}
	r.send(t, g, one("listConnections", "/admin/connections?group=key&in="+groups[0].Group, admin, 200))
	gatewaytest.Until(t, func() error { // the first sample comes after a second
		_, text := r.send(t, g, one("listSamples", "", admin, 200))
		return contains(text, `"age"`)
	})
	r.send(t, g, one("listSamples", "/admin/stats/history?node=b", admin, 400))
}

func (r *recorder) storedRooms(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.RoomCreate = "open" })
	room := g.NewRoom(t)
	g.NewRoom(t)
	for _, key := range []string{"k", "l"} {
		g.Push(t, room, `{"type":"push","key":"`+key+`","value":{"a":1},"action":{"type":"append"}}`)
	}
	g.Join(t, room, "")
	r.run(t, g, []call{
		one("listRooms", "/admin/rooms?prefix="+room[:4], admin, 200),
		one("listRooms", "/admin/rooms?after=*", admin, 400),
		one("readRoom", "/admin/rooms/"+room, admin, 200),
		one("readRoom", "/admin/rooms/"+room+"?limit=0", admin, 400),
		one("readRoom", "/admin/rooms/none", admin, 404),
		one("deleteRoom", "/admin/rooms/"+room, admin, 204),
		one("deleteRoom", "/admin/rooms/"+room, admin, 404),
	})
}

func (r *recorder) storedDocuments(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.MaxCollectionBytes = 2000 })
	const path = "/admin/collections/customer"
	r.run(t, g, []call{
		with("insertDocuments", "/rest/customer", keyAll, `[{"_id":"ann","name":"Ann","age":30},{"_id":"bob","name":"Bob"}]`, 201),
		with("insertDocuments", "/rest/message", keyAll, `{"text":"hi"}`, 201),
		one("listCollections", "/admin/collections?search=CUST", admin, 200),
		one("listCollections", "/admin/collections?limit=0", admin, 400),
		one("searchDocuments", path+`?q={"age":{"$gt":3}}&h={"$max":10,"$orderby":{"age":-1}}&metafields=true`, admin, 200),
		one("searchDocuments", path+"?totals=true&max=1&skip=1&sort=name&dir=-1&filter=b", admin, 200),
		one("searchDocuments", path+"?totals=true&count=true", admin, 200),
		one("searchDocuments", path+"?groupby=name", admin, 200),
		one("searchDocuments", path+"?aggregate=SUM:age,COUNT:n", admin, 200),
		one("searchDocuments", path+"?q={", admin, 400),
		one("searchDocuments", path+".js", admin, 404),
		one("readDocument", path+"/ann?metafields=true", admin, 200),
		{op: "readDocument", path: path + "/ann?metafields=%zz", as: admin, body: "-", status: 400, wrong: true},
		one("readDocument", path+"/none", admin, 404),
		with("editDocument", path+"/ann", admin, `{"$inc":{"age":1}}`, 200),
		with("editDocument", path+"/ann?metafields=true", admin, `{"age":32}`, 200),
		with("editDocument", path+"/ann", admin, `age=33`, 200, "Content-Type", "application/x-www-form-urlencoded"),
		with("editDocument", path+"/*", admin, `{"age":32}`, 400),
		with("editDocument", path+"/none", admin, "", 404),
		with("editDocument", path+"/ann", admin, `{"a":"`+strings.Repeat("x", 2000)+`"}`, 409),
		with("editDocument", path+"/ann", admin, `{"a":"`+strings.Repeat("x", 700_000)+`"}`, 413),
		one("removeDocument", path+"/*", admin, 400),
		one("removeDocument", path+"/ann", admin, 200),
		one("removeDocument", path+"/ann", admin, 404),
	})
}

func (r *recorder) storedDatabases(t *testing.T) {
	g := start(t)
	event := func(ns, id string) string {
		return `{"data":{"amount":50},"meta":{"db":"demo","ns":"` + ns + `","stream":"s","type":"t","id":"` + id + `"}}`
	}
	r.run(t, g, []call{
		with("appendEvent", "", root, event("", "a"), 201),
		with("appendEvent", "", root, event("shop", "b"), 201),
		one("createNamespace", "/db/demo/ns/more", root, 204),
		one("createDatabase", "/db/bank", root, 204),
		one("listAllDatabases", "/admin/databases?prefix=de", admin, 200),
		one("listAllDatabases", "/admin/databases?limit=x", admin, 400),
		one("listAllNamespaces", "/admin/databases/demo/namespaces?prefix=sh", admin, 200),
		one("listAllNamespaces", "/admin/databases/demo/namespaces?limit=0", admin, 400),
		one("listAllNamespaces", "/admin/databases/none/namespaces", admin, 404),
		one("listAllStreams", "/admin/databases/demo/streams?ns=", admin, 200),
		one("listAllStreams", "/admin/databases/demo/streams?limit=0", admin, 400),
		one("listAllStreams", "/admin/databases/demo/streams?ns=none", admin, 404),
		one("listLastEvents", "/admin/databases/demo/events?last=200&limit=100", admin, 200),
		one("listLastEvents", "/admin/databases/demo/events?stream=shop/s", admin, 200),
		one("listLastEvents", "/admin/databases/demo/events?last=10001", admin, 400),
		one("listLastEvents", "/admin/databases/none/events", admin, 404),
	})
}

// storedInCluster is what a cluster adds to answers.
func (r *recorder) storedInCluster(t *testing.T) {
	g := gatewaytest.Cluster(t, 1)[0]
	open(t, g, gatewaytest.KeyAll, "/realtime")
	id := g.Publish(t, `{"event":"put","collection":"customer"}`)
	r.run(t, g, []call{
		one("getEventWay", "/admin/events/"+id, admin, 200),
		one("listConnections", "/admin/connections?group=key&node=n0", admin, 200),
		one("listConnections", "/admin/connections?group=key&node=none", admin, 404),
		one("listSamples", "", admin, 200),
		one("listSamples", "/admin/stats/history?node=n0", admin, 200),
		one("listSamples", "/admin/stats/history?node=none", admin, 404),
	})
	_, text := r.send(t, g, one("makeBackup", "", admin, 201))
	path := "/admin/backups/" + nameOfBackup(t, text)
	r.run(t, g, []call{
		one("listBackups", "", admin, 200),
		one("deleteBackup", path+"?node=none", admin, 404),
		one("deleteBackup", path+"?node=n0", admin, 204),
	})
}

// nameOfBackup is the name of the backup that an answer says was made.
func nameOfBackup(t *testing.T, text string) string {
	t.Helper()
	var made struct{ Path string }
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Path == "" {
		t.Fatal(text, err)
	}
	return filepath.Base(made.Path)
}

// secrets are the administrator's requests for tokens, revocations and backups.
func (r *recorder) secrets(t *testing.T) {
	g := start(t)
	tokens := "/admin/keys/" + g.AsAdmin(t, "POST", "/admin/keys", `{"name":"web","sub":["inbox-*"]}`, 201)["id"].(string) + "/tokens"
	r.run(t, g, []call{
		with("mintTokenOfKey", tokens, admin, `{"sub":["inbox-42"]}`, 201),
		with("mintTokenOfKey", tokens, admin, `{"sub":["inbox-42"],"pub":[],"rest":[],"ttl":"24h"}`, 201),
		with("mintTokenOfKey", tokens, admin, `{"sub":["inbox-42"],"ttl":"25h"}`, 400),
		with("mintTokenOfKey", tokens, admin, `{"sub":["other"]}`, 403),
		with("mintTokenOfKey", "/admin/keys/none/tokens", admin, "", 404),
		one("listRevocations", "", admin, 200),
		with("revokeToken", "", admin, `{"jti":"a-1"}`, 201),
		with("revokeToken", "", admin, `{"subject":"a-2"}`, 201),
		one("listRevocations", "/admin/revocations?search=A-", admin, 200),
		one("listRevocations", "/admin/revocations?limit=1001", admin, 400),
		one("listBackups", "", admin, 409),
		one("deleteBackup", "/admin/backups/20010101T000000.000Z", admin, 409),
	})
	onDisk := start(t, gatewaytest.OnPebble(t), func(s *gatewaytest.Setup) { s.DataDir = t.TempDir() })
	_, text := r.send(t, onDisk, one("makeBackup", "", admin, 201))
	name := nameOfBackup(t, text)
	r.run(t, onDisk, []call{
		one("listBackups", "/admin/backups?search="+name[:4], admin, 200),
		one("listBackups", "/admin/backups?after=!", admin, 400),
		one("deleteBackup", "/admin/backups/"+name+"?node=b", admin, 400),
		one("deleteBackup", "/admin/backups/"+name, admin, 204),
		one("deleteBackup", "/admin/backups/"+name, admin, 404),
	})
}
