package persistr_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sluice/config"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/streams"
)

// A clone takes an owner, and counts for who asks for it.
func TestCloneTakesAnOwner(t *testing.T) {
	t.Parallel()
	g := withDemo(t, func(s *setup) { s.MaxDatabases = 2 })
	g.Store(t, "", "s", "x", "1")
	g.AddAccounts(t, "ann")
	for _, role := range []string{"reader", "member", "admin"} {
		g.ExpectAs(t, 200, "", "demo", "POST", "/db/demo/grant?username=ann&role="+role, "")
		g.ExpectAs(t, 403, "owner of database", "ann", "POST", "/db/demo/clone?to=copy", "")
	}
	g.ExpectAs(t, 200, "", "demo", "POST", "/db/demo/grant?username=ann&role=owner", "")
	g.ExpectAs(t, 204, "", "ann", "POST", "/db/demo/clone?to=copy1", "")
	g.ExpectAs(t, 204, "", "ann", "POST", "/db/demo/clone?to=copy2", "")
	g.ExpectAs(t, 400, "MAX_DATABASES", "ann", "POST", "/db/demo/clone?to=copy3", "")
	g.ExpectAs(t, 400, "MAX_DATABASES", "ann", "PUT", "/db/mine", "")
	g.ExpectAs(t, 204, "", "demo", "PUT", "/db/mine", "")
	g.ExpectAs(t, 400, "MAX_DATABASES", "demo", "PUT", "/db/another", "")
	g.ExpectAs(t, 204, "", "root", "POST", "/db/demo/clone?to=copy4", "")
	g.ExpectAs(t, 204, "", "ann", "DELETE", "/db/copy1", "")
	g.ExpectAs(t, 204, "", "ann", "POST", "/db/copy2/clone?to=copy3", "")
}

// A full database refuses what would make it larger at every door, in the door's own words.
func TestFullDatabase(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	g.Store(t, "", "s", "x", "1")
	full, err := g.Log.State("$db/demo")
	if err != nil {
		t.Fatal(err)
	}
	g = withDemo(t, func(s *setup) {
		s.MaxDatabaseBytes = config.Size(full.Bytes + 100)
		s.APIKeys = `[{"name":"db","key":"key-db-0123456789","sub":["$db/demo"],"pub":["$db/demo","goal"]}]`
	})
	g.Store(t, "", "s", "x", "1")
	kept := func() [2]eventlog.State { // and not the log's place, which the audit trail moves
		var both [2]eventlog.State
		for i, space := range []string{"", "$db/demo"} {
			state, err := g.Log.State(space)
			if err != nil {
				t.Fatal(err)
			}
			both[i] = state
		}
		return both
	}
	before := kept()
	if before[1].Count != 1 {
		t.Fatalf("the database has %d events", before[1].Count)
	}
	big := strings.Repeat("x", 1000)
	g.ExpectAs(t, 403, "MAX_DATABASE_BYTES", "demo", "POST", "/events", `{"data":{"a":"`+big+`"},"meta":{"db":"demo","stream":"s","type":"t"}}`)
	g.ExpectAs(t, 403, "MAX_DATABASE_BYTES", "demo", "PUT", "/db/demo/ns//streams/s/annotation", `"`+big+`"`)
	g.ExpectAs(t, 403, "MAX_DATABASE_BYTES", "demo", "PUT", "/db/demo/ns/"+big, "")
	g.RunAll(t, []scenario{
		{Name: "one", Key: "key-db-0123456789", Body: `{"space":"$db/demo","event":"t","data":{"a":"` + big + `"}}`, Status: 403, Has: []string{`"code":"database_full"`, "MAX_DATABASE_BYTES"}},
		{Name: "one of a batch", Key: "key-db-0123456789", Body: `[{"event":"goal"},{"space":"$db/demo","event":"t","data":{"a":"` + big + `"}}]`, Status: 403, Has: []string{`"code":"database_full"`}},
	})
	if now := kept(); now != before {
		t.Errorf("something was stored: %+v, and %+v before", now, before)
	}
	g.ExpectAs(t, 204, "", "demo", "DELETE", "/db/demo/ns//contents", "")
	g.ExpectAs(t, 201, "", "demo", "POST", "/events", `{"data":{},"meta":{"db":"demo","stream":"s","type":"t"}}`)
}

// What a key publishes to a database's name never reaches a database that another made under that name later.
func TestRenamedDatabaseKeepsItsKeys(t *testing.T) {
	t.Parallel()
	g := withDemo(t, func(s *setup) {
		s.APIKeys = `[{"name":"shop","key":"key-shop-0123456789","pub":["$db/orders"]}]`
	})
	publish := scenario{Name: "publish", Key: "key-shop-0123456789", Body: `{"space":"$db/orders","event":"placed","data":{"card":"secret"}}`, Status: 200}
	g.ExpectAs(t, 204, "", "root", "PUT", "/db/orders", "")
	publish.Run(t, g.Gateway)
	g.ExpectAs(t, 204, "", "root", "POST", "/db/orders/rename?to=archive", "")
	g.ExpectAs(t, 204, "", "demo", "PUT", "/db/mine", "")
	for _, way := range [][2]string{{"PUT", "/db/orders"}, {"POST", "/db/mine/rename?to=orders"}, {"POST", "/db/mine/clone?to=orders"}} {
		g.ExpectAs(t, 400, "only root", "demo", way[0], way[1], "")
	}
	publish.Status = 400
	publish.Run(t, g.Gateway)
	g.ExpectAs(t, 204, "", "root", "PUT", "/db/orders", "")
	publish.Status = 200
	publish.Run(t, g.Gateway)
	g.ExpectAs(t, 403, "", "demo", "GET", "/db/orders/events", "")
}

// The address of the next page has what selects it, and nothing else that the request said.
func TestNextPageWithoutCredentials(t *testing.T) {
	t.Parallel()
	g := withDemo(t, func(s *setup) {
		s.APIKeys = `[{"name":"db","key":"key-db-0123456789","sub":["$db/demo"]}]`
	})
	g.Store(t, "", "s", "x", "1")
	g.Store(t, "", "s", "x", "2")
	for _, credential := range []string{"apikey", "rt-apikey", "APIKEY", "token", "jwt", "access_token", "password", "user"} {
		path := "/db/demo/events?apikey=key-db-0123456789&schema=jsonapi&limit=1&types=x&stream=s&" + credential + "=key-db-0123456789"
		if credential == "token" || credential == "jwt" || credential == "access_token" {
			path = strings.Replace(path, "?apikey=key-db-0123456789&", "?", 1)
		}
		r, err := http.NewRequest(http.MethodGet, g.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/json")
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		link := answer.Header.Get("Link")
		if answer.StatusCode != http.StatusOK || !strings.Contains(link, "types=x") || !strings.Contains(string(text), `"next":"/db/demo/events?after=`) {
			t.Errorf("%s: %s %s %s", credential, answer.Status, link, text)
		}
		for name, values := range answer.Header {
			if strings.Contains(fmt.Sprint(values), "key-db") {
				t.Errorf("%s: header %s has the key", credential, name)
			}
		}
		if strings.Contains(string(text), "key-db") {
			t.Errorf("%s: the body has the key", credential)
		}
	}
}

// Types with wildcards are let in as far as the hub can match them, and say so where not.
func TestWildcardBounds(t *testing.T) {
	t.Parallel()
	g := withDemo(t)
	g.Store(t, "", "s", "order-placed", "1")
	long := strings.Repeat("?", 200)
	for types, want := range map[string]int{
		strings.Repeat("*b,", 99) + "*b":                          200,
		strings.Repeat("*b,", 100) + "*b":                         400,
		strings.Repeat("*"+long+"b,", 5) + "*":                    200,
		strings.Repeat("*"+long+"b,", 6) + "*":                    400,
		strings.Repeat("x", 1024):                                 200,
		strings.Repeat("x", 1025):                                 400,
		strings.Repeat(strings.Repeat("x", 1000)+",", 90) + "b??": 200,
		"\xff*": 400,
	} {
		g.ExpectAs(t, want, "", "demo", "GET", "/db/demo/events?types="+url.QueryEscape(types), "")
	}
	var feeds []*http.Response
	feed := func(types string) *http.Response {
		answer := g.OpenAs(t, "demo", "GET", "/db/demo/events?types="+url.QueryEscape(types), "", "text/event-stream")
		t.Cleanup(func() { answer.Body.Close() })
		return answer
	}
	refused := func(types string) bool {
		lines := bufio.NewScanner(feed(types).Body)
		for lines.Scan() {
			switch {
			case strings.Contains(lines.Text(), "TooManyFeeds"):
				return true
			case strings.Contains(lines.Text(), "order-placed"):
				return false
			}
		}
		t.Fatal("it ended")
		return false
	}
	for i := range 64 {
		feeds = append(feeds, feed(fmt.Sprintf("none%d,order-*", i)))
	}
	if !refused("order*") {
		t.Error("there is no bound")
	}
	if refused("none0,order-*") || refused("order-placed") {
		t.Error("what costs nothing more is refused")
	}
	for _, f := range feeds[1:] {
		f.Body.Close()
	}
	for end := time.Now().Add(5 * time.Second); refused("order*"); {
		if time.Now().After(end) {
			t.Fatal("what was closed still counts")
		}
	}
}

// slowly reads with a pause before each step.
type slowly struct {
	eventlog.Engine
	pause time.Duration
}

func (s *slowly) Read(ctx context.Context, q *eventlog.Query, after, upto uint64, limit int) (eventlog.Page, error) {
	time.Sleep(s.pause)
	return s.Engine.Read(ctx, q, after, upto, limit)
}

// A page that finds little ends in its time, with the place to go on from, and the pages together have all.
func TestPageHasATime(t *testing.T) {
	t.Parallel()
	engine := &slowly{Engine: memory.Open(memory.Options{})}
	g := withDemo(t, func(s *setup) { s.Engine = engine })
	for i := range 64 * 30 {
		kind := "x"
		if i%640 == 639 {
			kind = "wanted"
		}
		g.StoreEvent(t, &streams.Event{ID: fmt.Sprint(i), Type: kind, Stream: "s", Data: json.RawMessage("{}")})
	}
	engine.pause = 100 * time.Millisecond
	pages, found := 0, 0
	for next := "/db/demo/events?types=" + url.QueryEscape("want*"); next != ""; pages++ {
		begun := time.Now()
		answer := g.OpenAs(t, "demo", "GET", next, "", "application/json")
		var events []struct{ Meta struct{ Type string } }
		if err := json.NewDecoder(answer.Body).Decode(&events); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status, err)
		}
		answer.Body.Close()
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("a page took %s", took)
		}
		found += len(events)
		next, _ = strings.CutPrefix(strings.TrimSuffix(answer.Header.Get("Link"), `>; rel="next"`), "<")
	}
	if pages < 2 || found != 3 {
		t.Errorf("%d events on %d pages", found, pages)
	}
}
