package handlers_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/broker/database"
	"sluice/broker/eventlog"
	"sluice/handlers/persistr"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// withDemo is a gateway with the account and the database demo.
func withDemo(t *testing.T, change ...func(*setup)) *gateway {
	t.Helper()
	g := newGateway(t, change...)
	if err := persistr.MakeDemo(context.Background(), g.accounts, g.databases); err != nil {
		t.Fatal(err)
	}
	return g
}

// store appends an event to demo and gives its place.
func (g *gateway) store(t *testing.T, namespace, stream, kind, id string) uint64 {
	t.Helper()
	return g.storeEvent(t, &database.Event{
		ID: id, Type: kind, Namespace: namespace, Stream: stream, Data: json.RawMessage("{}"), Meta: map[string]json.RawMessage{"tz": json.RawMessage(`"UTC"`)},
	})
}

// storeEvent appends an event to demo past the doors, and gives its place.
func (g *gateway) storeEvent(t *testing.T, e *database.Event) uint64 {
	t.Helper()
	w, err := g.databases.Write("demo")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Done()
	r, err := w.Record(e, true)
	if err != nil {
		t.Fatal(err)
	}
	request := &eventlog.Request{Events: []eventlog.Event{r}, Rows: w.Rows(), Stored: w.Stored}
	if err := w.Charge(request.Events); err != nil {
		t.Fatal(err)
	}
	at, err := g.log.Append(context.Background(), request)
	w.Answered(err)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// feed reads a feed to its end: the ids of the events, and what the end says.
func (g *gateway) feed(t testing.TB, query string) (ids []string, end string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, g.URL+"/db/demo/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", basic("demo", "demo"))
	r.Header.Set("Accept", "text/event-stream")
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s: %s %s", query, answer.Status, answer.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(answer.Body)
	failing := false
	for lines.Scan() {
		text, data := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case lines.Text() == "event: error":
			failing = true
		case data && failing:
			end = "end " + text
		case data:
			var e struct{ Meta struct{ ID string } }
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			ids = append(ids, e.Meta.ID)
		}
	}
	return ids, end
}

func TestPersistrRefusals(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	g.store(t, "", "s", "deposit", "1")
	g.store(t, "shop", "orders", "placed", "2")
	events := func() (n int64) {
		for _, name := range append(g.databases.Names(), "other") {
			state, err := g.log.State(database.Space(name))
			if err != nil {
				t.Fatal(err)
			}
			n += state.Count
		}
		return n
	}
	before := events()
	demo := map[string]string{"Authorization": basic("demo", "demo")}
	event := func(meta string) string { return `{"data":{},"meta":{` + meta + `}}` }
	good := `"db":"demo","ns":"","stream":"s","type":"x"`
	head := func(kv ...string) map[string]string {
		m := map[string]string{"Authorization": basic("demo", "demo")}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	json := []string{`{"error":"`}
	runAll(t, g, []scenario{
		{name: "no credential", path: "/db", key: "-", status: 401, has: json, answers: map[string]string{"WWW-Authenticate": "Bearer"}},
		{name: "wrong password", path: "/db", key: "-", headers: head("Authorization", basic("demo", "x")), status: 401, has: json, hasNot: []string{"demo:x"}},
		{name: "unknown user", path: "/db", key: "-", headers: head("Authorization", basic("nobody", "x")), status: 401, has: json},
		{name: "no basic", path: "/db", key: "-", headers: head("Authorization", "Basic !!"), status: 401, has: json},
		{name: "wrong root", path: "/db", key: "-", headers: head("Authorization", basic("root", "x")), status: 401},
		{name: "root", path: "/db", key: "-", headers: head("Authorization", basic("root", adminKey)), status: 200, has: []string{`["demo"]`}},
		{name: "admin key", path: "/accounts", key: "-", headers: head("Authorization", "Apikey "+adminKey), status: 200, has: []string{`"username":"demo"`}},
		{name: "unknown key", path: "/db", key: "-", headers: head("Authorization", "Apikey nope"), status: 401},
		{name: "key without databases", path: "/db", status: 200, has: []string{"[]"}},
		{name: "unknown database", path: "/db/none/ns", key: "-", headers: demo, status: 403, has: json},
		{name: "unknown namespace", path: "/db/demo/ns/none/streams", key: "-", headers: demo, status: 404, has: json},
		{name: "unknown event", path: "/db/demo/ns//streams/s/events/9", key: "-", headers: demo, status: 404, has: json},
		{name: "no annotation", path: "/db/demo/ns//streams/s/annotation", key: "-", headers: demo, status: 404, has: json},
		{name: "accounts are root's", path: "/accounts", key: "-", headers: demo, status: 403, has: json},
		{name: "taken", method: "PUT", path: "/db/demo", key: "-", headers: demo, status: 400, has: json},
		{name: "bad name", method: "PUT", path: "/db/a%2Fb", key: "-", headers: demo, status: 400, has: json},
		{name: "unknown role", method: "POST", path: "/db/demo/grant?role=king&email=demo", key: "-", headers: demo, status: 404, has: json},
		{name: "unknown account", method: "POST", path: "/db/demo/grant?role=admin&email=none", key: "-", headers: demo, status: 404, has: json},

		{name: "no JSON", path: "/events", key: "-", headers: demo, body: "{", status: 400, has: json},
		{name: "an array", path: "/events", key: "-", headers: demo, body: "[]", status: 400, has: json},
		{name: "no body", method: "PUT", path: "/events/1", key: "-", headers: demo, status: 400, has: json},
		{name: "no meta", path: "/events", key: "-", headers: demo, body: `{"data":{}}`, status: 400},
		{name: "no type", path: "/events", key: "-", headers: demo, body: event(`"db":"demo","stream":"s"`), status: 400, has: []string{"meta.type"}},
		{name: "no stream", path: "/events", key: "-", headers: demo, body: event(`"db":"demo","type":"s"`), status: 400, has: []string{"meta.stream"}},
		{name: "a number for a name", path: "/events", key: "-", headers: demo, body: event(`"db":1,"stream":"s","type":"x"`), status: 400, has: []string{"meta.db"}},
		{name: "data no object", path: "/events", key: "-", headers: demo, body: `{"data":[],"meta":{` + good + `}}`, status: 400, has: []string{"data"}},
		{name: "no UTF-8", path: "/events", key: "-", headers: demo, body: `{"data":{"a":"` + "\xff" + `"},"meta":{` + good + `}}`, status: 400, has: []string{"UTF-8"}},
		{name: "two ids", method: "PUT", path: "/events/1", key: "-", headers: demo, body: event(good + `,"id":"2"`), status: 400},
		{name: "duplicate", method: "PUT", path: "/events/1", key: "-", headers: demo, body: event(good), status: 400, has: []string{"already"}},
		{name: "too large", path: "/events", key: "-", headers: demo, body: event(good + `,"x":"` + strings.Repeat("x", 70_000) + `"`), status: 413},
		{name: "another's database", path: "/events", key: "-", headers: demo, body: event(`"db":"other","stream":"s","type":"x"`), status: 403},
		{name: "a key without", path: "/events", body: event(good), status: 403},

		{name: "live as JSON", path: "/db/demo/events?after=past-events", key: "-", headers: head("Accept", "application/json"), status: 406, has: json},
		{name: "a page", path: "/db/demo/events?schema=jsonapi&limit=1", key: "-", headers: head("Accept", "application/json"), status: 200, has: []string{`"cursor":{"after":"`, `"links":{"next":"/db/demo/events?after=`, `"id":"1"`}},
		{name: "a bare page", path: "/db/demo/ns/shop/events", key: "-", headers: head("Accept", "application/json"), status: 200, has: []string{`[{"data":{},"meta":{"id":"2"`}},
		{name: "preflight", method: "OPTIONS", path: "/events/1", key: "-", headers: head("Origin", "https://a.example", "Access-Control-Request-Method", "PUT"), status: 204,
			answers: map[string]string{"Access-Control-Allow-Methods": "GET, POST, PUT, DELETE", "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*any*"}},
	})
	if now := events(); now != before || len(g.databases.Names()) != 1 {
		t.Errorf("something was stored: %d events, before %d", now, before)
	}
}

// A feed tells every failure in itself.
func TestPersistrFeedFailures(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	g.store(t, "", "s", "x", "1")
	g.store(t, "", "t", "x", "2")
	for query, want := range map[string]string{
		"?from=nope":                          `"name":"EventNotFound","status":404`,
		"?stream=s&from=2":                    `"name":"EventNotFound","status":404`,
		"?from=s.2":                           `"status":404`,
		"?from=2999-01-01T00:00:00Z":          `"status":400`,
		"?to=0001-01-01T00:00:00Z":            `"status":400`,
		"?limit=0":                            `"status":400`,
		"?limit=-1":                           `"status":400`,
		"?limit=1000000000000":                `"status":400`,
		"?limit=x":                            `"status":400`,
		"?types=a,,b":                         `"status":400`,
		"?ns=none":                            `"name":"NamespaceNotFound","status":404`,
		"?from=s.1&from=t.2":                  `"status":400`,
		"?x=%zz":                              `"status":400`,
		"?types=" + strings.Repeat("a,", 200): `"status":400`,
	} {
		if ids, end := g.feed(t, query); len(ids) > 0 || !strings.Contains(end, want) || !strings.Contains(end, `"message":"`) {
			t.Errorf("%s: %v, %s", query, ids, end)
		}
	}
}

// A feed ends when what it was opened with does, within a second.
func TestPersistrFeedsAreCut(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, cut := range map[string]func(g *gateway) error{
		"destroyed": func(g *gateway) error { return g.databases.Destroy(ctx, "demo", "") },
		"renamed":   func(g *gateway) error { return g.databases.Rename(ctx, "demo", "other", "") },
		"revoked": func(g *gateway) error {
			a, _ := g.accounts.Get("demo")
			return g.databases.Grant(ctx, "demo", a.ID, database.None)
		},
		"deactivated":        func(g *gateway) error { return g.accounts.SetActive(ctx, "demo", false) },
		"account destroyed":  func(g *gateway) error { return g.accounts.Destroy(ctx, "demo") },
		"namespace gone":     func(g *gateway) error { return g.databases.DestroyNamespace(ctx, "demo", "shop") },
		"namespace renamed":  func(g *gateway) error { return g.databases.RenameNamespace(ctx, "demo", "shop", "other") },
		"the gateway drains": func(g *gateway) error { return g.traffic.Drain(ctx, g.broker) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := withDemo(t)
			g.store(t, "shop", "orders", "placed", "1")
			ended := make(chan string, 1)
			go func() {
				_, end := g.feed(t, "?ns=shop")
				ended <- end
			}()
			for g.broker.Count() == 0 {
				time.Sleep(time.Millisecond)
			}
			if err := cut(g); err != nil {
				t.Fatal(err)
			}
			select {
			case end := <-ended:
				if !strings.Contains(end, `"status":`) {
					t.Errorf("it ended with %q", end)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("it goes on")
			}
		})
	}
}

// TestPersistrSelectors: any mix of selectors gives what a filter over the list gives.
func TestPersistrSelectors(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	type event struct {
		at                   uint64
		ns, stream, kind, id string
	}
	var all []event
	for i := range 60 {
		e := event{ns: []string{"", "", "n"}[i/5%3], stream: []string{"s", "t"}[i%2], kind: []string{"deposit", "pay bill", "ü"}[i%3], id: fmt.Sprint("e", i)}
		e.at = g.store(t, e.ns, e.stream, e.kind, e.id)
		all = append(all, e)
		if i%20 == 0 {
			time.Sleep(2 * time.Millisecond) // so that times part some of them
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		q := url.Values{"until": {"caught-up"}, "schema": {"jsonapi"}}
		keep := func(event) bool { return true }
		also := func(f func(event) bool) {
			before := keep
			keep = func(e event) bool { return before(e) && f(e) }
		}
		stream := rapid.SampledFrom([]string{"", "s", "t"}).Draw(rt, "stream")
		ns := rapid.SampledFrom([]string{"", "n"}).Draw(rt, "ns")
		if stream != "" {
			q.Set("stream", stream)
			also(func(e event) bool { return e.stream == stream && e.ns == ns })
		}
		if ns != "" {
			q.Set("ns", ns)
			also(func(e event) bool { return e.ns == ns })
		}
		if kinds := rapid.SampledFrom([]string{"", "deposit", "pay bill,ü", "d*t", "p?y*,none"}).Draw(rt, "types"); kinds != "" {
			q.Set("types", kinds)
			also(func(e event) bool {
				return map[string]bool{"deposit": e.kind == "deposit", "pay bill,ü": e.kind != "deposit", "d*t": e.kind == "deposit", "p?y*,none": e.kind == "pay bill"}[kinds]
			})
		}
		for _, param := range []string{"from", "after", "to", "until"} {
			if !rapid.Bool().Draw(rt, param) {
				continue
			}
			of := rapid.SampledFrom(all).Draw(rt, param+" event")
			place, first, last := of.stream+"."+of.id, of.at, of.at
			switch {
			case rapid.Bool().Draw(rt, param+" as time"):
				place = time.UnixMicro(int64(of.at)).UTC().Format("2006-01-02T15:04:05.000Z")
				first = of.at / 1000 * 1000
				last = first + 999
			case stream != "" && (of.stream != stream || of.ns != ns):
				continue // an event of another stream is none
			case stream != "":
				place = of.id
			case ns != "" && of.ns != ns:
				continue
			}
			q.Set(param, place)
			also(func(e event) bool {
				return map[string]bool{"from": e.at >= first, "after": e.at > last, "to": e.at <= last, "until": e.at < first}[param]
			})
		}
		limit := 1 << 20
		if rapid.Bool().Draw(rt, "limited") {
			limit = rapid.IntRange(1, 30).Draw(rt, "limit")
			q.Set("limit", fmt.Sprint(limit))
		}
		var want []string
		for _, e := range all {
			if keep(e) && len(want) < limit {
				want = append(want, e.id)
			}
		}
		ids, end := g.feed(t, "?"+q.Encode())
		if !slices.Equal(ids, want) || end != "end " {
			rt.Fatalf("%s: got %v %q, want %v", q.Encode(), ids, end, want)
		}
	})
}

// What /realtime sees of a database: with a grant that names it, as custom events, and nothing with a star.
func TestDatabaseOverRealtime(t *testing.T) {
	t.Parallel()
	g := withDemo(t, func(s *setup) {
		s.auth.APIKeys = `[{"name":"star","key":"` + keyAll + `","sub":["*"],"pub":["*"]},
			{"name":"db","key":"key-db-0123456789","sub":["$db/demo","goal"],"pub":["$db/demo"]},
			{"name":"deposits","key":"key-deposits-0123456789","sub":["$db/demo:deposit"],"pub":["$db/demo:deposit"]}]`
	})
	g.store(t, "", "s", "deposit", "1")
	g.store(t, "shop", "a:b", "put", "2")
	past := func(key string) string {
		r, err := http.NewRequest(http.MethodGet, g.URL+"/realtime?until=caught-up", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", key)
		r.Header.Set("Accept", "application/x-ndjson")
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if text := past(keyAll); text != "" {
		t.Errorf("a star reaches a database: %s", text)
	}
	if text := past("key-db-0123456789"); strings.Count(text, "\n") != 2 || !strings.Contains(text, `"event":"%70ut","stream":"shop/a%3Ab","data":{}`) {
		t.Errorf("%s", text)
	}
	if text := past("key-deposits-0123456789"); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"event":"deposit","stream":"s","data":{}`) {
		t.Errorf("%s", text)
	}
	runAll(t, g, []scenario{
		{name: "append", key: "key-db-0123456789", body: `{"event":"pay bill","stream":"shop/a%3Ab","space":"$db/demo","data":{"n":1}}`, status: 200},
		{name: "new namespace", key: "key-db-0123456789", body: `{"event":"x","stream":"new/a","space":"$db/demo"}`, status: 200},
		{name: "no stream", key: "key-db-0123456789", body: `{"event":"x","space":"$db/demo"}`, status: 200},
		{name: "a batch with both", key: "key-db-0123456789", body: `[{"event":"x","stream":"s","space":"$db/demo"},{"event":"goal"}]`, status: 403},
		{name: "type not granted", key: "key-deposits-0123456789", body: `{"event":"x","stream":"s","space":"$db/demo"}`, status: 403},
		{name: "namespace not granted", key: "key-deposits-0123456789", body: `{"event":"deposit","stream":"newer/s","space":"$db/demo"}`, status: 403, has: []string{"namespace"}},
		{name: "type granted", key: "key-deposits-0123456789", body: `{"event":"deposit","stream":"s","space":"$db/demo"}`, status: 200},
		{name: "a number", key: "key-db-0123456789", body: `{"event":"x","space":"$db/demo","data":1}`, status: 400, has: []string{`field \"data\": must be an object in a database`}},
		{name: "a list", key: "key-db-0123456789", body: `[{"event":"x","space":"$db/demo"},{"event":"x","space":"$db/demo","data":[{}]}]`, status: 400, has: []string{`event 1`, `field \"data\"`}},
		{name: "a text", key: "key-db-0123456789", body: `{"event":"x","space":"$db/demo","data":"{}"}`, status: 400},
		{name: "nothing", key: "key-db-0123456789", body: `{"event":"none","space":"$db/demo","data":null}`, status: 200},
		{name: "elsewhere", key: "key-db-0123456789", body: `{"event":"goal","data":1}`, status: 403},
		{name: "expect", key: "key-db-0123456789", body: `{"event":"x","stream":"s","space":"$db/demo","expect":0}`, status: 409},
	})
	ids, end := g.feed(t, "?until=caught-up&types="+url.QueryEscape("pay bill,deposit"))
	if len(ids) != 3 || end != "end " {
		t.Errorf("%v %q", ids, end)
	}
	if text := past("key-db-0123456789"); !strings.Contains(text, `"event":"none","stream":"`) || strings.Contains(text, `"data":null`) || strings.Count(text, `"data":{}`) < 3 {
		t.Errorf("data that is none: %s", text)
	}
	names, err := g.databases.Namespaces(t.Context(), "demo")
	if err != nil || !slices.Equal(names, []string{"new", "shop"}) {
		t.Error(names, err)
	}
	if err := g.databases.Destroy(context.Background(), "demo", ""); err != nil {
		t.Fatal(err)
	}
	(&scenario{name: "gone", key: "key-db-0123456789", body: `{"event":"x","stream":"s","space":"$db/demo"}`, status: 400, has: []string{"no such database"}}).run(t, g)
	if p, err := g.log.Read(context.Background(), &eventlog.Query{Space: "$db/demo"}, 0, 1); err != nil || len(p.Events) > 0 {
		t.Error(p, err)
	}
}
