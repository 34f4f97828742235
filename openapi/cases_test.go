package openapi_test

import (
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// one is a request without a body, with a status that must come.
func one(op, path, as string, status int, headers ...string) call {
	return call{op: op, path: path, as: as, body: "-", status: status, headers: headers}
}

// with is a request with a body, with a status that must come.
func with(op, path, as, body string, status int, headers ...string) call {
	return call{op: op, path: path, as: as, body: body, status: status, headers: headers}
}

// run sends requests one after the other.
func (r *recorder) run(t *testing.T, g *gatewaytest.Gateway, calls []call) {
	t.Helper()
	for _, c := range calls {
		r.send(t, g, c)
	}
}

// tiring uses up the rate of keySlow for minutes: a batch passes if anything is left, and is charged in full.
var tiring = with("publish", "", keySlow, "["+strings.Repeat(`{"event":"a"},`, 499)+`{"event":"a"}]`, 200)

const admin = gatewaytest.AdminKey

// answers sends what each operation takes, and what it refuses for reasons of its own.
func (r *recorder) answers(t *testing.T) {
	t.Run("realtime", func(t *testing.T) { r.realtime(t) })
	t.Run("rooms", func(t *testing.T) { r.rooms(t) })
	t.Run("databases", func(t *testing.T) { r.databases(t) })
	t.Run("accounts", func(t *testing.T) { r.accounts(t) })
	t.Run("documents", func(t *testing.T) { r.documents(t) })
	t.Run("items", func(t *testing.T) { r.items(t) })
	t.Run("sessions", func(t *testing.T) { r.sessions(t) })
	t.Run("admin", func(t *testing.T) { r.admin(t) })
	t.Run("secrets", func(t *testing.T) { r.secrets(t) })
	t.Run("stored", func(t *testing.T) { r.stored(t) })
	t.Run("service", func(t *testing.T) { r.service(t) })
}

func (r *recorder) realtime(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.MaxEvent = 200 })
	first := g.Publish(t, `{"event":"put","collection":"customer","data":1,"stream":"s"}`)
	second := g.Publish(t, `{"event":"boing"}`)
	retraction := []string{"Idempotency-Key", "r-1"}
	r.run(t, g, []call{
		one("subscribe", "/realtime?channels=PUT:customer,chat-*&frames=name&lastEventId="+first, keyAll, 200),
		one("subscribe", "/realtime?stream=s&from=earliest&types=put,boing&limit=1", keyAll, 200),
		one("subscribe", "/realtime?after=-2&until=caught-up", keyAll, 200, "Accept", "application/x-ndjson"),
		one("subscribe", "/realtime?to="+first, keyAll, 204, "Last-Event-ID", second),
		one("subscribe", "/realtime?until="+second, keyAll, 200, "Last-Event-ID", "12"),
		one("subscribe", "/realtime?frames=other", keyAll, 400),
		one("subscribe", "/realtime?channels=@none", keyAll, 404),
		with("publish", "", keyAll, "", 200),
		with("publish", "", keyAll, `[{"event":"a"},{"event":"b","data":null}]`, 200, "Idempotency-Key", "p-1"),
		with("publish", "", keyAll, `[{"event":"a"},{"event":"b","data":null}]`, 200, "Idempotency-Key", "p-1"),
		with("publish", "", keyAll, `{"event":"other"}`, 409, "Idempotency-Key", "p-1"),
		with("publish", "", keyAll, "{\"event\":\"a\"}\n{\"event\":\"b\"}\n", 200, "Content-Type", "application/x-ndjson"),
		with("publish", "", keyAll, `{"event":"a","stream":"s","expect":1}`, 409),
		with("publish", "", keyAll, `{"event":"a","stream":"s","expect":"`+first+`"}`, 200),
		with("publish", "", keyAll, `{"space":"$db/demo","event":"deposit","stream":"a","data":{"amount":50}}`, 200),
		with("publish", "", keyAll, `{"event":"a","except":"Yk1ZV2J4c3VyRmF0ZWxpdA"}`, 200),
		with("publish", "", keyAll, `{"event":"a","data":"`+strings.Repeat("x", 300)+`"}`, 413),
		tiring,
		with("publish", "", keySlow, `{"event":"a"}`, 429),
		one("retract", "/realtime?id="+second, keyAll, 200, retraction...),
		one("retract", "/realtime?id="+second, keyAll, 200, retraction...),
		one("retract", "/realtime?id="+first, keyAll, 409, retraction...),
		one("retract", "/realtime?id="+second, keyAll, 404),
		one("retract", "/realtime?id="+first, keySees, 403),
		{op: "retract", path: "/realtime?id=x", as: keyAll, body: "-", status: 400, wrong: true},
		one("methodsOfRealtime", "", "", 204),
		with("mintToken", "", keyAll, `{"sub":["inbox-42"],"ttl":"10m"}`, 200),
		with("mintToken", "", keyAll, `{"sub":["inbox-42"],"ttl":"10y"}`, 400),
		with("nameChannels", "", keyAll, "", 201),
		with("nameChannels", "", keyAll, `{"channels":"PUT:customer,chat-1"}`, 201),
		with("nameChannels", "", keySees, `{"channels":["$db/demo"]}`, 403),
	})
}

func (r *recorder) rooms(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.MaxRoomKeys, s.RoomCreateRate = 2, 3 })
	push := func(key, action string) call {
		return with("sendToRoom", "/room/a/send", "", `{"type":"push","key":"`+key+`","value":1,"action":`+action+`}`, 200)
	}
	full, bad := push("c", `{"type":"append"}`), push("a", `{"type":"append"}`)
	full.status, bad.status = 413, 422
	bad.body, bad.wrong = `{"type":"push"}`, true
	r.run(t, g, []call{
		one("makeRoom", "", "", 200),
		one("makeRoom", "", keyAll, 200),
		one("getRoom", "/room/a", "", 200),
		one("getRoom", "/room/undefined", "", 404),
		one("connectToRoom", "/room/a/connect?cbor=1&debug=1", "", 101, upgrade...),
		one("connectToRoom", "/room/a/connect", "", 426),
		one("connectToRoom", "/room/null/connect", "", 404, upgrade...),
		one("subscribeToRoom", "/room/a/events?key=a", "", 200),
		one("subscribeToRoom", "/room/a/events?lastEventId=12", "", 200),
		one("subscribeToRoom", "/room/undefined/events", "", 404),
		{op: "subscribeToRoom", path: "/room/a/events?key=" + strings.Repeat("k", 1025), body: "-", status: 400, wrong: true},
		push("a", `{"type":"append"}`),
		push("a", `{"type":"append"}`),
		push("b", `{"type":"replace"}`),
		full, bad,
		with("sendToRoom", "/room/a/send", "", `{"type":"get","key":"a","seq":0}`, 200),
		with("sendToRoom", "/room/a/send", "", `{"type":"get","key":"a","seq":null}`, 200),
		with("sendToRoom", "/room/a/send", "", `{"type":"ping","nonce":7}`, 200),
		with("sendToRoom", "/room/none/send", "", "", 404),
		one("listPresence", "/room/a/presence?key=mouse", "", 200),
		one("listPresence", "/room/none/presence", "", 404),
	})
	ws, _ := g.Join(t, "a", "")
	gatewaytest.SendText(t, ws, `{"type":"push","key":"__presence","value":{"client":"c","value":{"x":1}},"action":{"type":"relay"}}`)
	gatewaytest.Until(t, func() error {
		_, text := r.send(t, g, one("listPresence", "/room/a/presence", "", 200))
		return contains(text, `"client":"c"`)
	})
	for range 3 {
		r.send(t, g, one("makeRoom", "", "", 0))
	}
	r.run(t, g, []call{
		one("makeRoom", "", "", 429, "Sec-Fetch-Mode", "cors"),
		one("getRoom", "/room/b", "", 429),
		one("connectToRoom", "/room/b/connect", "", 429, upgrade...),
		one("subscribeToRoom", "/room/b/events", "", 429),
	})
	slow := start(t, func(s *gatewaytest.Setup) { s.RoomRate = 1 })
	room := slow.NewRoom(t)
	for range 10 {
		r.send(t, slow, with("sendToRoom", "/room/"+room+"/send", "", `{"type":"push","key":"k","value":1,"action":{"type":"append"}}`, 0))
	}
	closed := start(t, func(s *gatewaytest.Setup) { s.RoomCreate = "off" })
	r.run(t, closed, []call{one("makeRoom", "", "", 403), one("makeRoom", "", keyAll, 403, "Sec-Fetch-Mode", "cors")})
}

func (r *recorder) databases(t *testing.T) {
	g := start(t, func(s *gatewaytest.Setup) { s.MaxEvent = 200 })
	demo := gatewaytest.Basic("demo", "demo")
	json := []string{"Accept", "application/json"}
	event := func(meta string) string {
		return `{"data":{"amount":50},"meta":{"db":"demo","stream":"s","type":"t"` + meta + `}}`
	}
	const path = "/db/demo/ns/shop/streams/s"
	r.run(t, g, []call{
		with("appendEvent", "", demo, "", 201),
		with("appendEvent", "", demo, event(`,"id":"e","ns":"shop"`), 201),
		with("appendEvent", "", demo, event(`,"id":"e","ns":"shop"`), 400),
		with("appendEvent", "", demo, event(`,"note":"`+strings.Repeat("x", 300)+`"`), 413),
		with("appendEvent", "", "Apikey "+keyAll, event(""), 201),
		with("putEvent", "/events/f", demo, event(`,"ns":"shop"`), 201),
		with("putEvent", "/events/f", demo, event(`,"ns":"shop"`), 400),
		one("listDatabases", "", demo, 200),
		one("createDatabase", "/db/bank", root, 204),
		one("createDatabase", "/db/bank", root, 400),
		one("createDatabase", "/db/more", keyAll, 403),
		with("createAccount", "/accounts/ann", root, `{"name":"Ann","password":"correct horse"}`, 204),
		one("grantRole", "/db/bank/grant?username=ann&role=reader", root, 200),
		one("grantRole", "/db/bank/grant?email=ann&role=boss", root, 404),
		one("revokeRole", "/db/bank/revoke?username=ann", root, 204),
		one("revokeRole", "/db/bank/revoke?username=nobody", root, 404),
		one("cloneDatabase", "/db/bank/clone?to=copy", root, 204),
		one("cloneDatabase", "/db/bank/clone?to=copy", root, 400),
		one("renameDatabase", "/db/copy/rename?to=other", root, 204),
		one("renameDatabase", "/db/other/rename?to=bank", root, 400),
		one("destroyDatabase", "/db/other", root, 204),
		one("readDatabase", "/db/demo/events?stream=s&types=t&limit=10", demo, 200),
		one("readDatabase", "/db/demo/events?limit=1", demo, 200, json...),
		one("readDatabase", "/db/demo/events?limit=1&schema=jsonapi", demo, 200, json...),
		one("readDatabase", "/db/demo/events?schema=jsonapi", demo, 200, json...),
		one("readDatabase", "/db/demo/events?after=past-events", demo, 406, json...),
		one("readDatabase", "/db/demo/events?from=none.none", demo, 404, json...),
		one("readDatabase", "/db/demo/events?types=", demo, 200, json...),
		{op: "readDatabase", path: "/db/demo/events?limit=x", as: demo, body: "-", headers: json, status: 400, wrong: true},
		one("readNamespace", "/db/demo/ns/shop/events", demo, 200, json...),
		one("readNamespace", "/db/demo/ns/none/events", demo, 404, json...),
		one("readNamespace", "/db/demo/ns/shop/events?after=past-events", demo, 406, json...),
		one("readStream", path+"/events", demo, 200, json...),
		one("readStream", path+"/events?from=none", demo, 404, json...),
		one("readStream", path+"/events?after=past-events", demo, 406, json...),
		one("listStreams", "/db/demo/streams", demo, 200),
		one("listStreams", "/db/demo/streams?ns=none", demo, 404),
		one("listStreams", "/db/demo/streams", demo, 200, "Content-Type", "application/json", "User-Agent", "node-fetch/1.0"),
		one("listStreamsOfNamespace", "/db/demo/ns/shop/streams", demo, 200),
		one("listStreamsOfNamespace", "/db/demo/ns/none/streams", demo, 404),
		one("listNamespaces", "", demo, 200),
		one("createNamespace", "/db/demo/ns/new", demo, 204),
		one("createNamespace", "/db/demo/ns/new", demo, 400),
		one("renameNamespace", "/db/demo/ns/new/rename?to=newer", demo, 204),
		one("renameNamespace", "/db/demo/ns/new/rename?to=newer", demo, 404),
		one("renameNamespace", "/db/demo/ns/newer/rename?to=shop", demo, 400),
		one("emptyNamespace", "/db/demo/ns/newer/contents", demo, 204),
		one("emptyNamespace", "/db/demo/ns/none/contents", demo, 404),
		one("destroyNamespace", "/db/demo/ns/newer", demo, 204),
		one("destroyNamespace", "/db/demo/ns/newer", demo, 404),
		with("annotate", path+"/annotation", demo, "", 204),
		with("annotate", "/db/demo/ns/none/streams/s/annotation", demo, "", 404),
		with("annotate", path+"/annotation", demo, `"`+strings.Repeat("x", 300)+`"`, 413),
		one("readAnnotation", path+"/annotation", demo, 200),
		one("listStreams", "/db/demo/streams", demo, 200),
		one("removeAnnotation", path+"/annotation", demo, 204),
		one("removeAnnotation", path+"/annotation", demo, 404),
		one("readAnnotation", path+"/annotation", demo, 404),
		one("readEvent", path+"/events/e", demo, 200),
		one("destroyEvent", path+"/events/e", demo, 204),
		one("destroyEvent", path+"/events/e", demo, 404),
		one("readEvent", path+"/events/e", demo, 404),
		one("destroyStreamOfNamespace", path, demo, 204),
		one("destroyStreamOfNamespace", path, demo, 404),
		one("destroyStream", "/db/demo/streams/s", demo, 204),
		one("destroyStream", "/db/demo/streams/s", demo, 404),
		one("readEvent", "/db/none/ns/shop/streams/s/events/e", demo, 403),
		tiring,
		with("appendEvent", "", keySlow, event(""), 429),
		with("putEvent", "/events/g", keySlow, event(""), 429),
	})
}

func (r *recorder) accounts(t *testing.T) {
	g := start(t)
	r.run(t, g, []call{
		with("createAccount", "/accounts/ann", root, "", 204),
		with("createAccount", "/accounts/ann", root, "", 400),
		one("listAccounts", "", root, 200),
		one("getAccount", "/accounts/ann", root, 200),
		one("getAccount", "/accounts/current", gatewaytest.Basic("demo", "demo"), 200),
		one("getAccount", "/accounts/none", root, 404),
		one("deactivateAccount", "/accounts/ann/deactivate", root, 204),
		one("deactivateAccount", "/accounts/none/deactivate", root, 404),
		one("activateAccount", "/accounts/ann/activate", root, 204),
		one("activateAccount", "/accounts/none/activate", root, 404),
		one("destroyAccount", "/accounts/ann", root, 204),
		one("destroyAccount", "/accounts/ann", root, 404),
	})
}

func contains(text, part string) error {
	if strings.Contains(text, part) {
		return nil
	}
	return errOther
}
