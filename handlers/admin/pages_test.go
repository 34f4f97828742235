package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

var nextPage = regexp.MustCompile(`^<(\?[^>]+)>; rel="next"$`)

// pages reads a list page by page.
func (g *gateway) pages(t *testing.T, path, query string) (all []map[string]any, sizes []int, last answered) {
	t.Helper()
	for query = "?" + query; query != ""; {
		got := g.admin1(t, "GET", path+query, "", nil)
		var page []map[string]any
		if err := json.Unmarshal([]byte(got.text), &page); err != nil || got.status != 200 {
			t.Fatalf("%s%s: %d %s", path, query, got.status, got.text)
		}
		all, sizes, last, query = append(all, page...), append(sizes, len(page)), got, ""
		if m := nextPage.FindStringSubmatch(got.head.Get("Link")); m != nil {
			query = m[1]
		}
		if len(sizes) > 100 {
			t.Fatal("it never ends")
		}
	}
	return all, sizes, last
}

// Lists can be searched and read in pages. Each entry comes once, also while others are added and removed.
func TestAdminPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for n := range 23 {
		g.AsAdmin(t, "POST", "/admin/keys", fmt.Sprintf(`{"name":"Key %02d","sub":["chan-%d"]}`, n, n%2), 201)
		g.AsAdmin(t, "POST", "/admin/users", fmt.Sprintf(`{"email":"u%02d@example.org","password":"a long one","rest":["GET:c%d"]}`, n, n%2), 201)
	}
	settings := strings.Count(gatewaytest.Keys, `"name"`)
	for _, tt := range []struct {
		path, query string
		found       int
		sizes       string
	}{
		{"/admin/keys", "", 23 + settings, fmt.Sprint([]int{23 + settings})},
		{"/admin/keys", "limit=10", 23 + settings, "[10 10 10]"},
		{"/admin/keys", "limit=5&search=CHAN-1", 11, "[5 5 1]"},
		{"/admin/keys", "limit=1&search=key%2022", 1, "[1]"},
		{"/admin/keys", "search=nobody", 0, "[0]"},
		{"/admin/users", "", 23, "[23]"},
		{"/admin/users", "limit=12&search=c0", 12, "[12]"},
		{"/admin/users", "limit=11&search=c0", 12, "[11 1]"},
	} {
		all, sizes, last := g.pages(t, tt.path, tt.query)
		seen := map[any]bool{}
		for _, one := range all {
			seen[fmt.Sprint(one["id"], one["email"])] = true
		}
		if fmt.Sprint(sizes) != tt.sizes || len(seen) != tt.found || last.head.Get("X-Match-Count") != fmt.Sprint(tt.found) {
			t.Errorf("%s?%s: %v pages, %d entries, %v", tt.path, tt.query, sizes, len(seen), last.head)
		}
	}
	for _, bad := range []string{"limit=0", "limit=1001", "limit=x", "after=*", "search=" + strings.Repeat("x", 257)} {
		for _, path := range []string{"/admin/keys", "/admin/users", "/admin/connections"} {
			if got := g.admin1(t, "GET", path+"?"+bad, "", nil); got.status != 400 || got.body["code"] != "bad_parameter" {
				t.Errorf("%s?%s: %d %s", path, bad, got.status, got.text)
			}
		}
	}
	// The entry that a page ended with may be gone.
	page := g.admin1(t, "GET", "/admin/users?limit=3", "", nil)
	g.AsAdmin(t, "DELETE", "/admin/users/u02@example.org", "", 204)
	next := g.admin1(t, "GET", "/admin/users"+nextPage.FindStringSubmatch(page.head.Get("Link"))[1], "", nil)
	if !strings.HasPrefix(next.text, `[{"email":"u03@example.org"`) {
		t.Error(next.text)
	}
}

// Of more connections than a page has the oldest is found and cut.
func TestAdminOlderConnections(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	open := func(channels string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/realtime?channels="+url.QueryEscape(channels), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", gatewaytest.KeyAll)
		a, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Body.Close() })
	}
	open("needle-in-it")
	const many = 30
	for n := range many {
		open(fmt.Sprintf("hay-%d", n%3))
	}
	all, sizes, last := g.pages(t, "/admin/connections", "limit=7")
	seen := map[any]bool{}
	for i, one := range all {
		seen[one["id"]] = true
		if i > 0 && one["since"].(string) > all[i-1]["since"].(string) && len(one["since"].(string)) == len(all[i-1]["since"].(string)) {
			t.Errorf("%v comes after %v", one["since"], all[i-1]["since"])
		}
	}
	if len(seen) != many+1 || len(all) != many+1 || fmt.Sprint(sizes) != "[7 7 7 7 3]" || last.head.Get("X-Total-Count") != "31" || all[many]["channels"] != "needle-in-it" {
		t.Errorf("%d of %d, %v, %v", len(seen), len(all), sizes, all[len(all)-1])
	}
	found, _, last := g.pages(t, "/admin/connections", "limit=5&search=NEEDLE-in")
	if len(found) != 1 || last.head.Get("X-Match-Count") != "1" || last.head.Get("X-Total-Count") != "31" {
		t.Fatalf("%v %v", found, last.head)
	}
	if by, _, _ := g.pages(t, "/admin/connections", "search="+found[0]["id"].(string)); len(by) != 1 {
		t.Errorf("by id: %v", by)
	}
	if hay, _, _ := g.pages(t, "/admin/connections", "limit=4&search=hay-1"); len(hay) != many/3 {
		t.Errorf("%d of hay", len(hay))
	}
	g.AsAdmin(t, "DELETE", "/admin/connections/"+found[0]["id"].(string), "", 204)
	for g.Broker.Count() > many {
		if t.Context().Err() != nil {
			t.Fatal("it was not cut")
		}
	}
}
