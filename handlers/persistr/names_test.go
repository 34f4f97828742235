package persistr_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/config"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// brokenReads fails each read with an error that nobody knows, on demand.
type brokenReads struct {
	eventlog.Engine
	on atomic.Bool
}

func (b *brokenReads) Streams(ctx context.Context, space, prefix, after string, limit int) ([]eventlog.StreamState, error) {
	if b.on.Load() {
		return nil, errors.New("a fault of the gateway")
	}
	return b.Engine.Streams(ctx, space, prefix, after, limit)
}

// namedErrors are the rows "status | names" of the table of Persistr's names in docs/protocol.md.
func namedErrors(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "**Persistr's door**")
	table, _, _ = strings.Cut(table, "What both doors share")
	status := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d{3}) \\| (`[^|]+`) \\|").FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(row[2], ", ") {
			status[strings.Trim(name, "`")] = row[1]
		}
	}
	return status
}

// Each name of the table is provoked at a whole gateway, and comes with the status of its row. Feeds have the name in their
// last frame; of other calls only metrics have it, where a cause that other doors have too is counted by its code.
func TestEachName(t *testing.T) {
	t.Parallel()
	engine := &brokenReads{Engine: memory.Open(memory.Options{})}
	g := withDemo(t, func(s *setup) {
		s.Engine, s.MaxDatabases, s.MaxDatabaseBytes = engine, 2, config.Size(4000)
		s.APIKeys = `[{"name":"slow","key":"key-slow-0123456789","sub":["$db/demo"],"pub":["$db/demo"],"rate":1}]`
	})
	g.Store(t, "", "s", "x", "1")
	g.ExpectAs(t, 204, "", "demo", "PUT", "/db/second", "") // as many as MAX_DATABASES allows
	long := strings.Repeat("x", 70_000)
	event := func(id, data string) string {
		return fmt.Sprintf(`{"data":{"a":%q},"meta":{"db":"demo","stream":"s","type":"t","id":%q}}`, data, id)
	}
	seen := map[string]string{}
	for _, one := range []struct{ name, code, status, user, method, path, body string }{
		{"BadRequest", "", "400", "demo", "POST", "/events", "{"},
		{"BadName", "", "400", "demo", "PUT", "/db/a%2Fb", ""},
		{"BadPassword", "", "400", "root", "POST", "/accounts/ann", `{"password":""}`},
		{"NameTaken", "", "400", "demo", "PUT", "/db/demo", ""},
		{"DuplicateEvent", "", "400", "demo", "POST", "/events", event("1", "")},
		{"TooMany", "", "400", "demo", "PUT", "/db/third", ""},
		{"InvalidCredentials", "invalid_login", "401", "nobody", "GET", "/db", ""},
		{"Forbidden", "", "403", "demo", "GET", "/db/none/ns", ""},
		{"DatabaseFull", "database_full", "403", "demo", "POST", "/events", event("2", strings.Repeat("x", 5000))},
		{"NamespaceNotFound", "", "404", "demo", "GET", "/db/demo/ns/none/streams", ""},
		{"StreamNotFound", "", "404", "demo", "DELETE", "/db/demo/streams/none", ""},
		{"EventNotFound", "", "404", "demo", "GET", "/db/demo/ns//streams/s/events/9", ""},
		{"AnnotationNotFound", "", "404", "demo", "GET", "/db/demo/ns//streams/s/annotation", ""},
		{"AccountNotFound", "", "404", "root", "DELETE", "/accounts/none", ""},
		{"RoleNotFound", "", "404", "demo", "POST", "/db/demo/grant?role=king&username=demo", ""},
		{"NotAcceptable", "", "406", "demo", "GET", "/db/demo/events?after=past-events", ""},
		{"TooLarge", "", "413", "demo", "POST", "/events", event("2", long)},
	} {
		status, text := g.RequestAs(t, one.user, one.method, one.path, one.body)
		if fmt.Sprint(status) != one.status || !strings.HasPrefix(text, `{"error":"`) {
			t.Errorf("%s: %d %s", one.name, status, text)
		}
		if one.code == "" {
			one.code = one.name
		}
		g.AwaitMetric(t, fmt.Sprintf(`sluice_refused_total{code=%q,door="persistr"} 1`, one.code))
		seen[one.name] = one.status
	}
	seen["TooManyRequests"] = g.overRate(t)
	seen["TooManyFeeds"] = g.tooManyFeeds(t)
	seen["EventsExpired"] = expired(t)
	engine.on.Store(true)
	g.ExpectAs(t, 500, `{"error":"Internal service error"}`, "demo", "GET", "/db/demo/streams", "")
	g.AwaitMetric(t, `sluice_refused_total{code="internal",door="persistr"} 1`)
	seen["InternalError"] = "500"
	if err := g.Traffic.Drain(t.Context(), g.Broker); err != nil {
		t.Fatal(err)
	}
	_, end := g.feed(t, "")
	seen["ServiceUnavailable"] = statusIn(t, end, "ServiceUnavailable")
	for name, status := range namedErrors(t) {
		if seen[name] != status {
			t.Errorf("%s: provoked with the status %q, documented with %s", name, seen[name], status)
		}
	}
}

// statusIn returns the status of a feed's last frame, which must have a name.
func statusIn(t *testing.T, end, name string) string {
	t.Helper()
	m := regexp.MustCompile(`"name":"(\w+)","status":(\d+)`).FindStringSubmatch(end)
	if m == nil || m[1] != name {
		t.Errorf("the feed ended with %q, want %s", end, name)
		return ""
	}
	return m[2]
}

// overRate sends more than the rate of a key allows.
func (g *gateway) overRate(t *testing.T) string {
	t.Helper()
	for range 2 {
		status, _ := g.Request(t, "POST", "/events", `{"data":{},"meta":{"db":"demo","stream":"s","type":"t"}}`, "Authorization", "Apikey key-slow-0123456789")
		if status != http.StatusCreated {
			g.AwaitMetric(t, `sluice_refused_total{code="rate_limited",door="persistr"} 1`)
			return fmt.Sprint(status)
		}
	}
	t.Error("the rate does not bound")
	return ""
}

// tooManyFeeds opens one more feed with wildcards than a credential may have.
func (g *gateway) tooManyFeeds(t *testing.T) string {
	t.Helper()
	for i := range 64 {
		answer := g.OpenAs(t, "demo", "GET", "/db/demo/events?types="+url.QueryEscape(fmt.Sprintf("none%d*", i)), "", "text/event-stream")
		t.Cleanup(func() { answer.Body.Close() })
	}
	_, end := g.feed(t, "?types=one-more*")
	return statusIn(t, end, "TooManyFeeds")
}

// expired reads on from a position whose events the memory engine has dropped.
func expired(t *testing.T) string {
	t.Helper()
	g := withDemo(t, func(s *setup) { s.Engine = memory.Open(memory.Options{MaxBytes: 20_000}) })
	for i := range 200 {
		g.Store(t, "", "s", "x", fmt.Sprint(i))
	}
	_, end := g.feed(t, "?after=2020-01-01T00:00:00Z")
	return statusIn(t, end, "EventsExpired")
}
