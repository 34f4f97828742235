package admin_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// varying are the parts of answers that differ from run to run, and what stands for them.
var varying = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`"(id|first|last|_id)":"[0-9a-f]{16,24}"`), `"$1":"ID"`},
	{regexp.MustCompile(`"request_id":"[0-9a-f]{16}"`), `"request_id":"REQUEST"`},
	{regexp.MustCompile(`"group":"[0-9a-f]{16}"`), `"group":"GROUP"`},
	{regexp.MustCompile(`"room":"[A-Z0-9]{26}"`), `"room":"ROOM"`},
	{regexp.MustCompile(`"id":"[0-9a-f-]{36}"`), `"id":"UUID"`},
	{regexp.MustCompile(`"bytes":\d+`), `"bytes":N`},
}

func same(text string) string {
	for _, v := range varying {
		text = v.re.ReplaceAllString(text, v.by)
	}
	return strings.TrimSuffix(text, "\n")
}

// look sends a request as the administrator, and compares the whole answer.
func (g *gateway) look(t *testing.T, request string, status int, want string) http.Header {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	got, text, head := g.Answer(t, method, path, "", "x-apikey", gatewaytest.AdminKey, "Accept", "application/x-ndjson")
	if got != status || same(text) != want {
		t.Errorf("%s: %d %s\nwant %d %s", request, got, same(text), status, want)
	}
	return head
}

// The admin key alone reads events, with the parameters of history, on all channels; and takes one out.
func TestLookAtEvents(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.Publish(t, `{"event":"goal","stream":"match-1","data":1}`)
	id := g.Publish(t, `{"event":"put","collection":"customer","data":{"a":2}}`)
	const first, second = `{"id":"ID","ts":"TIME","event":"goal","stream":"match-1","data":1}`, `{"id":"ID","ts":"TIME","event":"put","collection":"customer","data":{"a":2}}`
	g.look(t, "GET /admin/events?until=caught-up", 200, first+"\n"+second)
	g.look(t, "GET /admin/events?until=caught-up&channels=PUT:customer", 200, second)
	g.look(t, "GET /admin/events?until=caught-up&from=-1", 200, second)
	g.look(t, "GET /admin/events?until=caught-up&stream=match-1", 200, first)
	g.look(t, "GET /admin/events?until=caught-up&channels=put", 400,
		`{"message":"parameter channels: pattern \"put\": a method needs a collection, as in PUT:*","code":"bad_parameter"}`)
	g.look(t, "GET /admin/events?limit=0", 400, `{"message":"parameter limit: must be a whole number from 1 to 1000000","code":"bad_parameter"}`)
	g.look(t, "DELETE /admin/events/"+id, 200, `{"message":"OK","id":"ID"}`)
	g.look(t, "DELETE /admin/events/"+id, 404, `{"message":"there is no event with this id, or none any more","code":"not_found"}`)
	g.look(t, "DELETE /admin/events/x", 400, `{"message":"parameter id: must be the id of an event: 1 to 16 digits","code":"bad_parameter"}`)
	g.look(t, "GET /admin/events?until=caught-up&from=-1", 200,
		`{"id":"ID","ts":"TIME","event":"retract","collection":"customer","data":{"id":"ID","channel":"PUT:customer"}}`)
	if text := g.audited(t); !strings.Contains(text, `"event":"event.retract","data":{"who":"admin"`) || !strings.Contains(text, `"target":"`+id+`"`) {
		t.Error(text)
	}
}

// documentKey makes a key for documents.
func (g *gateway) documentKey(t *testing.T) string {
	t.Helper()
	return g.AsAdmin(t, "POST", "/admin/keys", `{"name":"docs","rest":["*"]}`, 201)["key"].(string)
}

// audited is the audit trail.
func (g *gateway) audited(t *testing.T) string {
	t.Helper()
	_, text := g.Request(t, "GET", "/admin/audit?until=caught-up", "", "x-apikey", gatewaytest.AdminKey, "Accept", "application/x-ndjson")
	return text
}

// Who has published an event, and how many connections it was for, is known of the newest events.
func TestWay(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for _, key := range []string{gatewaytest.KeyAll, gatewaytest.KeyAll, gatewaytest.KeyPut} {
		events, stop := g.StreamEvents(t, key)
		defer stop()
		gatewaytest.NextOf(t, events, "init")
	}
	id := g.Publish(t, `{"event":"goal","stream":"s","data":{"n":1}}`)
	const published = `"published":{"who":"all","kind":"key","door":"realtime","from":"127.0.0.1","request_id":"REQUEST"}`
	gatewaytest.Until(t, func() error { // both have taken it
		if _, text := g.Request(t, "GET", "/admin/events/"+id, "", "x-apikey", gatewaytest.AdminKey); !strings.Contains(text, `"waiting":0`) {
			return errors.New(text)
		}
		return nil
	})
	g.look(t, "GET /admin/events/"+id, 200, `{"id":"ID","time":"TIME","space":"","gone":false,"channel":"goal","event":"goal","stream":"s","data":{"n":1},`+published+
		`,"gateways":[{"known":true,"connections":2,"filters":1,"waiting":0,"now":[{"channels":"*","connections":2}]}],"missing":[]}`)
	g.look(t, "DELETE /admin/events/"+id, 200, `{"message":"OK","id":"ID"}`)
	g.look(t, "GET /admin/events/"+id, 200, `{"id":"ID","time":"TIME","space":"","gone":true,`+published+
		`,"gateways":[{"known":true,"connections":2,"filters":1,"waiting":0,"now":[]}],"missing":[]}`)
	g.look(t, "GET /admin/events/1", 404, `{"message":"there is no event with this id here: it never was, it was retracted, or it has expired","code":"not_found"}`)
	g.look(t, "GET /admin/events/x", 400, `{"message":"parameter id: must be the id of an event: 1 to 16 digits","code":"bad_parameter"}`)
	g.look(t, "GET /admin/events/1?space=x", 400, `{"message":"parameter space: must be $db/NAME or $room/ID; leave it out for /realtime","code":"bad_parameter"}`)

	// The doors of documents and rooms have publishers too.
	if status, text := g.Request(t, "POST", "/rest/customer", `{"name":"Ann"}`, "x-apikey", g.documentKey(t)); status != 201 {
		t.Fatal(status, text)
	}
	_, text := g.Request(t, "GET", "/admin/events?from=-1&until=caught-up", "", "x-apikey", gatewaytest.AdminKey, "Accept", "application/x-ndjson")
	made := regexp.MustCompile(`^{"id":"(\d+)"`).FindStringSubmatch(text)
	if made == nil {
		t.Fatal(text)
	}
	if _, text := g.Request(t, "GET", "/admin/events/"+made[1], "", "x-apikey", gatewaytest.AdminKey); !strings.Contains(text, `"door":"rest"`) {
		t.Error(text)
	}
}

// Streams of /realtime are listed by name, in pages.
func TestLookAtStreams(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for _, s := range []string{"b-1", "a-2", "b-1", "a-1"} {
		g.Publish(t, `{"event":"goal","stream":"`+s+`"}`)
	}
	g.Publish(t, `{"event":"goal"}`)
	one := func(name string, n int) string {
		return fmt.Sprintf(`{"stream":"%s","events":%d,"more":false,"first":"ID","first_time":"TIME","last":"ID","last_time":"TIME"}`, name, n)
	}
	g.look(t, "GET /admin/streams", 200, "["+one("a-1", 1)+","+one("a-2", 1)+","+one("b-1", 2)+"]")
	g.look(t, "GET /admin/streams?prefix=b", 200, "["+one("b-1", 2)+"]")
	g.look(t, "GET /admin/streams?prefix=c", 200, "[]")
	head := g.look(t, "GET /admin/streams?limit=1&prefix=a", 200, "["+one("a-1", 1)+"]")
	next := nextPage.FindStringSubmatch(head.Get("Link"))
	if next == nil {
		t.Fatal(head)
	}
	head = g.look(t, "GET /admin/streams"+next[1], 200, "["+one("a-2", 1)+"]")
	if head.Get("Link") != "" {
		t.Error(head)
	}
}

// Rooms are listed, looked into and dropped, whoever is inside.
func TestLookAtRooms(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.Config.RoomCreate = "open" })
	id := g.NewRoom(t)
	for n := range 3 {
		g.Push(t, id, fmt.Sprintf(`{"type":"push","action":{"type":"append"},"key":"k%d","value":{"n":%d}}`, n%2, n))
	}
	g.Join(t, id, "")
	room := `{"room":"ROOM","messages":3,"last_time":"TIME","clients":1`
	entry := func(key string, seq, n int) string {
		return fmt.Sprintf(`{"key":"%s","seq":%d,"id":"ID","time":"TIME","value":{"n":%d}}`, key, seq, n)
	}
	head := g.look(t, "GET /admin/rooms", 200, "["+room+"}]")
	if head.Get("X-Total-Count") != "1" {
		t.Error(head)
	}
	g.look(t, "GET /admin/rooms?prefix="+id[:5], 200, "["+room+"}]")
	g.look(t, "GET /admin/rooms?prefix=-", 200, "[]")
	g.look(t, "GET /admin/rooms/"+id, 200, room+`,"entries":[`+entry("k0", 1, 0)+","+entry("k0", 3, 2)+","+entry("k1", 2, 1)+"]}")
	head = g.look(t, "GET /admin/rooms/"+id+"?limit=2", 200, room+`,"entries":[`+entry("k0", 1, 0)+","+entry("k0", 3, 2)+"]}")
	next := nextPage.FindStringSubmatch(head.Get("Link"))
	if next == nil {
		t.Fatal(head)
	}
	g.look(t, "GET /admin/rooms/"+id+next[1], 200, room+`,"entries":[`+entry("k1", 2, 1)+"]}")
	g.look(t, "DELETE /admin/rooms/"+id, 204, "")
	const none = `{"message":"this room does not exist, or no longer: POST /new makes one","code":"not_found"}`
	g.look(t, "DELETE /admin/rooms/"+id, 404, none)
	g.look(t, "GET /admin/rooms/"+id, 404, none)
	g.look(t, "GET /admin/rooms", 200, "[]")
	gatewaytest.Until(t, func() error { // who was inside was cut
		if n := g.Broker.Count(); n > 0 {
			return fmt.Errorf("%d are inside", n)
		}
		return nil
	})
	if text := g.audited(t); !strings.Contains(text, `"target":"room `+id[:4]+`…","detail":"1 connections were cut"`) || strings.Contains(text, id) {
		t.Error(text)
	}
}

// Collections are listed, and their documents are found, changed and deleted as by the door /rest.
func TestLookAtDocuments(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	ids, key := map[string]string{}, g.documentKey(t)
	for _, name := range []string{"Ann", "Bob", "Cid"} {
		_, text := g.Request(t, "POST", "/rest/customer", `{"name":"`+name+`"}`, "x-apikey", key)
		ids[name] = regexp.MustCompile(`"_id":"(\w+)"`).FindStringSubmatch(text)[1]
	}
	g.look(t, "GET /admin/collections", 200, `[{"collection":"customer","documents":3,"bytes":N,"indexes":[]}]`)
	g.look(t, "GET /admin/collections?search=OTHER", 200, `[]`)
	head := g.look(t, "GET /admin/collections/customer?max=1&skip=1", 200, `[{"_id":"ID","name":"Bob"}]`)
	if head.Get("X-Pagination") != `{"total":3,"count":1,"skip":1,"max":1}` {
		t.Error(head)
	}
	g.look(t, `GET /admin/collections/customer?q=%7B%22name%22:%22Cid%22%7D`, 200, `[{"_id":"ID","name":"Cid"}]`)
	if status, text := g.Request(t, "GET", "/admin/collections/customer?q=%7B", "", "x-apikey", gatewaytest.AdminKey); status != 400 || !strings.Contains(text, `"code":"bad_parameter"`) && !strings.Contains(text, `"code":"bad_query"`) {
		t.Error(status, text)
	}
	g.look(t, "GET /admin/collections/customer/"+ids["Ann"], 200, `{"_id":"ID","name":"Ann"}`)
	if status, text := g.Request(t, "PUT", "/admin/collections/customer/"+ids["Ann"], `{"age":5}`, "x-apikey", gatewaytest.AdminKey); status != 200 || !strings.Contains(text, `"age":5`) {
		t.Error(status, text)
	}
	g.look(t, "DELETE /admin/collections/customer/*", 400, `{"message":"name one document: the administrator changes no several at once","code":"bad_parameter"}`)
	g.look(t, "DELETE /admin/collections/customer/"+ids["Bob"], 200, `{"result":["`+ids["Bob"]+`"]}`)
	g.look(t, "GET /admin/collections/customer/"+ids["Bob"], 404, `{"message":"there is no such document: \"`+ids["Bob"]+`\"","code":"not_found"}`)
	g.look(t, "GET /admin/events?from=-1&until=caught-up", 200, `{"id":"ID","ts":"TIME","event":"delete","collection":"customer","data":["`+ids["Bob"]+`"]}`)
	for _, action := range []string{"document.change", "document.delete"} {
		if text := g.audited(t); !strings.Contains(text, `"event":"`+action+`","data":{"who":"admin","kind":"admin","from":"127.0.0.1","door":"admin","target":"customer/`) {
			t.Error(action, text)
		}
	}
}

// Databases, their namespaces, streams and events are listed.
func TestLookAtDatabases(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	root := []string{"Authorization", "Apikey " + gatewaytest.AdminKey}
	for _, name := range []string{"shop", "shed", "other"} {
		if status, text := g.Request(t, "PUT", "/db/"+name, "", root...); status >= 300 {
			t.Fatal(status, text)
		}
	}
	for n, ns := range []string{"", "n1", "n1", "n2"} {
		if status, text := g.Request(t, "POST", "/events", fmt.Sprintf(`{"data":{"n":%d},"meta":{"db":"shop","ns":"%s","stream":"a b:%d","type":"added"}}`, n, ns, n/2), root...); status != 201 {
			t.Fatal(status, text)
		}
	}
	database := func(name string, namespaces, events int) string {
		return fmt.Sprintf(`{"database":"%s","created":"TIME","account":"","grants":{},"namespaces":%d,"events":%d,"bytes":N}`, name, namespaces, events)
	}
	g.look(t, "GET /admin/databases?prefix=sh", 200, "["+database("shed", 0, 0)+","+database("shop", 2, 4)+"]")
	head := g.look(t, "GET /admin/databases?limit=2", 200, "["+database("other", 0, 0)+","+database("shed", 0, 0)+"]")
	g.look(t, "GET /admin/databases"+nextPage.FindStringSubmatch(head.Get("Link"))[1], 200, "["+database("shop", 2, 4)+"]")
	g.look(t, "GET /admin/databases/shop/namespaces", 200, `[{"namespace":"n1"},{"namespace":"n2"}]`)
	stream := func(ns, name, mapped string) string {
		return fmt.Sprintf(`{"namespace":"%s","name":"%s","stream":"%s","events":1,"more":false,"first":"ID","first_time":"TIME","last":"ID","last_time":"TIME"}`, ns, name, mapped)
	}
	g.look(t, "GET /admin/databases/shop/streams?ns=n1", 200, "["+stream("n1", "a b:0", "n1/a b%3A0")+","+stream("n1", "a b:1", "n1/a b%3A1")+"]")
	g.look(t, "GET /admin/databases/shop/streams?ns=", 200, "["+stream("", "a b:0", "a b%3A0")+"]")
	event := func(n int, ns string) string {
		return fmt.Sprintf(`{"id":"ID","event":{"data":{"n":%d},"meta":{"id":"UUID","type":"added","ts":"TIME","db":"shop","ns":"%s","stream":"a b:%d","tz":"UTC"}}}`, n, ns, n/2)
	}
	g.look(t, "GET /admin/databases/shop/events?last=2", 200, "["+event(2, "n1")+","+event(3, "n2")+"]")
	g.look(t, "GET /admin/databases/shop/events?last=4&limit=1", 200, "["+event(0, "")+"]")
	g.look(t, "GET /admin/databases/shop/events?stream=n1/a%20b%253A1", 200, "["+event(2, "n1")+"]")
	for _, path := range []string{"namespaces", "streams", "events"} {
		g.look(t, "GET /admin/databases/none/"+path, 404, `{"message":"there is no such database: \"none\"","code":"not_found"}`)
	}
	g.look(t, "GET /admin/databases/shop/events?last=10001", 400, `{"message":"parameter last: must be a number from 1 to 10000","code":"bad_parameter"}`)
}

// Each look refuses wrong parameters, and everybody but the administrator.
func TestLookRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for _, path := range []string{"/admin/streams", "/admin/rooms", "/admin/databases", "/admin/databases/x/streams", "/admin/events/1", "/admin/rooms/x"} {
		g.look(t, "GET "+path+"?limit=501", 400, `{"message":"parameter limit: must be a number from 1 to 500","code":"bad_parameter"}`)
		g.look(t, "GET "+path+"?after=*", 400, `{"message":"parameter after: must be copied from the Link header of an answer","code":"bad_parameter"}`)
		g.look(t, "GET "+path+"?prefix="+strings.Repeat("x", 257), 400, `{"message":"parameter prefix: is longer than 256 bytes","code":"bad_parameter"}`)
	}
	for _, path := range []string{"/admin/events", "/admin/events/1", "/admin/streams", "/admin/rooms", "/admin/rooms/x", "/admin/collections", "/admin/collections/c", "/admin/collections/c/1", "/admin/databases", "/admin/stats/history"} {
		(&scenario{Name: path, Path: path, Status: 401, Has: []string{`"invalid_admin_key"`}}).Run(t, g.Gateway)
	}
}
