package persistr_test

import (
	"bufio"
	"context"
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

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// withDemo is a gateway with the account and the database demo.
func withDemo(t *testing.T, change ...func(*setup)) *gateway {
	t.Helper()
	return newGateway(t, append([]func(*setup){func(s *setup) { s.PersistrDemo = true }}, change...)...)
}

// feed reads a feed to its end: the ids of the events, and what the end says.
func (g *gateway) feed(t testing.TB, query string) (ids []string, end string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, g.URL+"/db/demo/events"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", gatewaytest.Basic("demo", "demo"))
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
	g.Store(t, "", "s", "deposit", "1")
	g.Store(t, "shop", "orders", "placed", "2")
	events := func() (n int64) {
		for _, name := range append(g.Databases.Names(), "other") {
			state, err := g.Log.State(streams.Space(name))
			if err != nil {
				t.Fatal(err)
			}
			n += state.Count
		}
		return n
	}
	before := events()
	demo := map[string]string{"Authorization": gatewaytest.Basic("demo", "demo")}
	event := func(meta string) string { return `{"data":{},"meta":{` + meta + `}}` }
	good := `"db":"demo","ns":"","stream":"s","type":"x"`
	head := func(kv ...string) map[string]string {
		m := map[string]string{"Authorization": gatewaytest.Basic("demo", "demo")}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	json := []string{`{"error":"`}
	g.RunAll(t, []scenario{
		{Name: "no credential", Path: "/db", Key: "-", Status: 401, Has: json, ResponseHeaders: map[string]string{"WWW-Authenticate": "Bearer"}},
		{Name: "wrong password", Path: "/db", Key: "-", Headers: head("Authorization", gatewaytest.Basic("demo", "x")), Status: 401, Has: json, HasNot: []string{"demo:x"}},
		{Name: "unknown user", Path: "/db", Key: "-", Headers: head("Authorization", gatewaytest.Basic("nobody", "x")), Status: 401, Has: json},
		{Name: "no basic", Path: "/db", Key: "-", Headers: head("Authorization", "Basic !!"), Status: 401, Has: json},
		{Name: "wrong root", Path: "/db", Key: "-", Headers: head("Authorization", gatewaytest.Basic("root", "x")), Status: 401},
		{Name: "root", Path: "/db", Key: "-", Headers: head("Authorization", gatewaytest.Basic("root", gatewaytest.AdminKey)), Status: 200, Has: []string{`["demo"]`}},
		{Name: "admin key", Path: "/accounts", Key: "-", Headers: head("Authorization", "Apikey "+gatewaytest.AdminKey), Status: 200, Has: []string{`"username":"demo"`}},
		{Name: "unknown key", Path: "/db", Key: "-", Headers: head("Authorization", "Apikey nope"), Status: 401},
		{Name: "key without databases", Path: "/db", Status: 200, Has: []string{"[]"}},
		{Name: "unknown database", Path: "/db/none/ns", Key: "-", Headers: demo, Status: 403, Has: json},
		{Name: "unknown namespace", Path: "/db/demo/ns/none/streams", Key: "-", Headers: demo, Status: 404, Has: json},
		{Name: "unknown event", Path: "/db/demo/ns//streams/s/events/9", Key: "-", Headers: demo, Status: 404, Has: json},
		{Name: "no annotation", Path: "/db/demo/ns//streams/s/annotation", Key: "-", Headers: demo, Status: 404, Has: json},
		{Name: "accounts are root's", Path: "/accounts", Key: "-", Headers: demo, Status: 403, Has: json},
		{Name: "taken", Method: "PUT", Path: "/db/demo", Key: "-", Headers: demo, Status: 400, Has: json},
		{Name: "bad name", Method: "PUT", Path: "/db/a%2Fb", Key: "-", Headers: demo, Status: 400, Has: json},
		{Name: "unknown role", Method: "POST", Path: "/db/demo/grant?role=king&email=demo", Key: "-", Headers: demo, Status: 404, Has: json},
		{Name: "unknown account", Method: "POST", Path: "/db/demo/grant?role=admin&email=none", Key: "-", Headers: demo, Status: 404, Has: json},

		{Name: "no JSON", Path: "/events", Key: "-", Headers: demo, Body: "{", Status: 400, Has: json},
		{Name: "an array", Path: "/events", Key: "-", Headers: demo, Body: "[]", Status: 400, Has: json},
		{Name: "no body", Method: "PUT", Path: "/events/1", Key: "-", Headers: demo, Status: 400, Has: json},
		{Name: "no meta", Path: "/events", Key: "-", Headers: demo, Body: `{"data":{}}`, Status: 400},
		{Name: "no type", Path: "/events", Key: "-", Headers: demo, Body: event(`"db":"demo","stream":"s"`), Status: 400, Has: []string{"meta.type"}},
		{Name: "no stream", Path: "/events", Key: "-", Headers: demo, Body: event(`"db":"demo","type":"s"`), Status: 400, Has: []string{"meta.stream"}},
		{Name: "a number for a name", Path: "/events", Key: "-", Headers: demo, Body: event(`"db":1,"stream":"s","type":"x"`), Status: 400, Has: []string{"meta.db"}},
		{Name: "data no object", Path: "/events", Key: "-", Headers: demo, Body: `{"data":[],"meta":{` + good + `}}`, Status: 400, Has: []string{"data"}},
		{Name: "no UTF-8", Path: "/events", Key: "-", Headers: demo, Body: `{"data":{"a":"` + "\xff" + `"},"meta":{` + good + `}}`, Status: 400, Has: []string{"UTF-8"}},
		{Name: "two ids", Method: "PUT", Path: "/events/1", Key: "-", Headers: demo, Body: event(good + `,"id":"2"`), Status: 400},
		{Name: "duplicate", Method: "PUT", Path: "/events/1", Key: "-", Headers: demo, Body: event(good), Status: 400, Has: []string{"already"}},
		{Name: "too large", Path: "/events", Key: "-", Headers: demo, Body: event(good + `,"x":"` + strings.Repeat("x", 70_000) + `"`), Status: 413},
		{Name: "another's database", Path: "/events", Key: "-", Headers: demo, Body: event(`"db":"other","stream":"s","type":"x"`), Status: 403},
		{Name: "a key without", Path: "/events", Body: event(good), Status: 403},

		{Name: "live as JSON", Path: "/db/demo/events?after=past-events", Key: "-", Headers: head("Accept", "application/json"), Status: 406, Has: json},
		{Name: "a page", Path: "/db/demo/events?schema=jsonapi&limit=1", Key: "-", Headers: head("Accept", "application/json"), Status: 200, Has: []string{`"cursor":{"after":"`, `"links":{"next":"/db/demo/events?after=`, `"id":"1"`}},
		{Name: "a bare page", Path: "/db/demo/ns/shop/events", Key: "-", Headers: head("Accept", "application/json"), Status: 200, Has: []string{`[{"data":{},"meta":{"id":"2"`}},
		{Name: "preflight", Method: "OPTIONS", Path: "/events/1", Key: "-", Headers: head("Origin", "https://a.example", "Access-Control-Request-Method", "PUT"), Status: 204,
			ResponseHeaders: map[string]string{"Access-Control-Allow-Methods": "GET, POST, PUT, DELETE", "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*any*"}},
	})
	if now := events(); now != before || len(g.Databases.Names()) != 1 {
		t.Errorf("something was stored: %d events, before %d", now, before)
	}
}

// A feed reports every failure as a frame.
func TestPersistrFeedFailures(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	g.Store(t, "", "s", "x", "1")
	g.Store(t, "", "t", "x", "2")
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
		"destroyed": func(g *gateway) error { return g.Databases.Destroy(ctx, "demo", "") },
		"renamed":   func(g *gateway) error { return g.Databases.Rename(ctx, "demo", "other", "") },
		"revoked": func(g *gateway) error {
			a, _ := g.Accounts.Get("demo")
			return g.Databases.Grant(ctx, "demo", a.ID, streams.None)
		},
		"deactivated":        func(g *gateway) error { return g.Accounts.SetActive(ctx, "demo", false) },
		"account destroyed":  func(g *gateway) error { return g.Accounts.Destroy(ctx, "demo") },
		"namespace gone":     func(g *gateway) error { return g.Databases.DestroyNamespace(ctx, "demo", "shop") },
		"namespace renamed":  func(g *gateway) error { return g.Databases.RenameNamespace(ctx, "demo", "shop", "other") },
		"the gateway drains": func(g *gateway) error { return g.Traffic.Drain(ctx, g.Broker) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := withDemo(t)
			g.Store(t, "shop", "orders", "placed", "1")
			ended := make(chan string, 1)
			go func() {
				_, end := g.feed(t, "?ns=shop")
				ended <- end
			}()
			for g.Broker.Count() == 0 {
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
		e.at = g.Store(t, e.ns, e.stream, e.kind, e.id)
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
		s.APIKeys = `[{"name":"star","key":"` + gatewaytest.KeyAll + `","sub":["*"],"pub":["*"]},
			{"name":"db","key":"key-db-0123456789","sub":["$db/demo","goal"],"pub":["$db/demo"]},
			{"name":"deposits","key":"key-deposits-0123456789","sub":["$db/demo:deposit"],"pub":["$db/demo:deposit"]}]`
	})
	g.Store(t, "", "s", "deposit", "1")
	g.Store(t, "shop", "a:b", "put", "2")
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
	if text := past(gatewaytest.KeyAll); text != "" {
		t.Errorf("a star reaches a database: %s", text)
	}
	if text := past("key-db-0123456789"); strings.Count(text, "\n") != 2 || !strings.Contains(text, `"event":"%70ut","stream":"shop/a%3Ab","data":{}`) {
		t.Errorf("%s", text)
	}
	if text := past("key-deposits-0123456789"); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"event":"deposit","stream":"s","data":{}`) {
		t.Errorf("%s", text)
	}
	g.RunAll(t, []scenario{
		{Name: "append", Key: "key-db-0123456789", Body: `{"event":"pay bill","stream":"shop/a%3Ab","space":"$db/demo","data":{"n":1}}`, Status: 200},
		{Name: "new namespace", Key: "key-db-0123456789", Body: `{"event":"x","stream":"new/a","space":"$db/demo"}`, Status: 200},
		{Name: "no stream", Key: "key-db-0123456789", Body: `{"event":"x","space":"$db/demo"}`, Status: 200},
		{Name: "a batch with both", Key: "key-db-0123456789", Body: `[{"event":"x","stream":"s","space":"$db/demo"},{"event":"goal"}]`, Status: 403},
		{Name: "type not granted", Key: "key-deposits-0123456789", Body: `{"event":"x","stream":"s","space":"$db/demo"}`, Status: 403},
		{Name: "namespace not granted", Key: "key-deposits-0123456789", Body: `{"event":"deposit","stream":"newer/s","space":"$db/demo"}`, Status: 403, Has: []string{"namespace"}},
		{Name: "type granted", Key: "key-deposits-0123456789", Body: `{"event":"deposit","stream":"s","space":"$db/demo"}`, Status: 200},
		{Name: "a number", Key: "key-db-0123456789", Body: `{"event":"x","space":"$db/demo","data":1}`, Status: 400, Has: []string{`field \"data\": must be an object in a database`}},
		{Name: "a list", Key: "key-db-0123456789", Body: `[{"event":"x","space":"$db/demo"},{"event":"x","space":"$db/demo","data":[{}]}]`, Status: 400, Has: []string{`event 1`, `field \"data\"`}},
		{Name: "a text", Key: "key-db-0123456789", Body: `{"event":"x","space":"$db/demo","data":"{}"}`, Status: 400},
		{Name: "nothing", Key: "key-db-0123456789", Body: `{"event":"none","space":"$db/demo","data":null}`, Status: 200},
		{Name: "elsewhere", Key: "key-db-0123456789", Body: `{"event":"goal","data":1}`, Status: 403},
		{Name: "expect", Key: "key-db-0123456789", Body: `{"event":"x","stream":"s","space":"$db/demo","expect":0}`, Status: 409},
	})
	ids, end := g.feed(t, "?until=caught-up&types="+url.QueryEscape("pay bill,deposit"))
	if len(ids) != 3 || end != "end " {
		t.Errorf("%v %q", ids, end)
	}
	if text := past("key-db-0123456789"); !strings.Contains(text, `"event":"none","stream":"`) || strings.Contains(text, `"data":null`) || strings.Count(text, `"data":{}`) < 3 {
		t.Errorf("data that is none: %s", text)
	}
	names, err := g.Databases.Namespaces(t.Context(), "demo")
	if err != nil || !slices.Equal(names, []string{"new", "shop"}) {
		t.Error(names, err)
	}
	if err := g.Databases.Destroy(context.Background(), "demo", ""); err != nil {
		t.Fatal(err)
	}
	(&scenario{Name: "gone", Key: "key-db-0123456789", Body: `{"event":"x","stream":"s","space":"$db/demo"}`, Status: 400, Has: []string{"no such database"}}).Run(t, g.Gateway)
	if p, err := g.Log.Read(context.Background(), &eventlog.Query{Space: "$db/demo"}, 0, 1); err != nil || len(p.Events) > 0 {
		t.Error(p, err)
	}
}
