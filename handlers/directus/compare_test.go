package directus_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
)

// fill makes items.
func (g *gateway) fill(t *testing.T, collection, items, want string) {
	t.Helper()
	g.items(t, &itemCall{"fill", "", "POST", "/items/" + collection + "?fields=none", items, http.StatusOK, want})
}

// TestItemsAggregate: figures of items and of groups of them, with filter, order and part of the list.
func TestItemsAggregate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	g.fill(t, "sales", `[
		{"id":"1","who":"ann","n":2,"at":"2026-11-29T20:00:00+09:00"},{"id":"2","who":"ann","n":3.5,"at":"2026-11-29T11:00:00Z"},
		{"id":"3","who":"bob","n":9007199254740993,"at":"2026-11-29T10:30:00-01:00"},{"id":"4","who":"bob","n":null},{"id":"5","n":2}
	]`, `{"data":[{},{},{},{},{}]}`)
	for _, c := range []struct{ query, want string }{
		{`aggregate[count]=*`, `{"data":[{"count":5}]}`},
		{`aggregate={"count":"*"}`, `{"data":[{"count":5}]}`},
		{`aggregate[countAll]=*&aggregate[count]=id,n,who`, `{"data":[{"count":{"id":5,"n":4,"who":4},"countAll":5}]}`},
		{`aggregate[countDistinct]=who,n,at`, `{"data":[{"countDistinct":{"who":2,"n":3,"at":2}}]}`},
		{`aggregate[sum]=n&aggregate[avg]=n&filter[who][_eq]=ann`, `{"data":[{"avg":{"n":2.75},"sum":{"n":5.5}}]}`},
		{`aggregate[sumDistinct]=n&aggregate[avgDistinct]=n&filter[n][_lt]=9`, `{"data":[{"avgDistinct":{"n":2.75},"sumDistinct":{"n":5.5}}]}`},
		{`aggregate[min]=n,at&aggregate[max]=n,at,who`, `{"data":[{"max":{"n":9007199254740993,"at":"2026-11-29T10:30:00-01:00","who":"bob"},"min":{"n":2,"at":"2026-11-29T20:00:00+09:00"}}]}`},
		{`aggregate[sum]=n&aggregate[avg]=n&aggregate[min]=n&aggregate[count]=*&filter[who]=nobody`, `{"data":[{"avg":{"n":null},"count":0,"min":{"n":null},"sum":{"n":null}}]}`},
		{`aggregate[count]=*&groupBy=who`, `{"data":[{"who":null,"count":1},{"who":"ann","count":2},{"who":"bob","count":2}]}`},
		{`aggregate[count]=*&aggregate[sum]=n&groupBy[]=who&sort=-sum.n&limit=1`, `{"data":[{"who":"bob","count":2,"sum":{"n":9007199254740993}}]}`},
		{`aggregate[count]=*&groupBy[]=who&sort=-count,-who&page=2&limit=2`, `{"data":[{"who":null,"count":1}]}`},
		{`aggregate[count]=*&groupBy[]=who&sort=-who&offset=1`, `{"data":[{"who":"ann","count":2},{"who":null,"count":1}]}`},
		{`groupBy=who,n&filter[who][_nnull]=true`, `{"data":[{"who":"ann","n":2},{"who":"ann","n":3.5},{"who":"bob","n":null},{"who":"bob","n":9007199254740993}]}`},
		{`aggregate[count]=*&groupBy=at&filter[at][_nnull]=true`, `{"data":[{"at":"2026-11-29T20:00:00+09:00","count":2},{"at":"2026-11-29T10:30:00-01:00","count":1}]}`},
		{`aggregate[count]=*&limit=0`, `{"data":[]}`},
		{`aggregate[count]=*&search=ann&meta=*`, `{"data":[{"count":2}],"meta":{"total_count":5,"filter_count":2}}`},
	} {
		g.items(t, &itemCall{c.query, "", "GET", "/items/sales?" + encoded(c.query), "", http.StatusOK, c.want})
	}
	const refused = "aggregate and groupBy are for reading lists only: leave them out of the query"
	for _, c := range []itemCall{
		{"search", "", "SEARCH", "/items/sales", `{"query":{"aggregate":{"max":["n"]},"groupBy":["who"],"filter":{"who":"ann"}}}`, 200, `{"data":[{"who":"ann","max":{"n":3.5}}]}`},
		{"of some ids", "", "SEARCH", "/items/sales", `{"keys":["1"],"query":{"groupBy":["who"]}}`, 400, gatewaytest.Refusal("INVALID_QUERY", refused)},
		{"of one", "", "GET", "/items/sales/1?aggregate[count]=*", "", 400, gatewaytest.Refusal("INVALID_QUERY", refused)},
		{"remove by figures", "", "DELETE", "/items/sales", `{"query":{"aggregate":{"count":"*"}}}`, 400, gatewaytest.Refusal("INVALID_QUERY", refused)},
		{"make with figures", "", "POST", "/items/sales?groupBy=a", `{}`, 400, gatewaytest.Refusal("INVALID_QUERY", refused)},
		{"who may not read", gatewaytest.KeyWriter, "GET", "/items/messages?aggregate[count]=*", "", 403, gatewaytest.Refusal("FORBIDDEN", `this credential has no permission GET:messages (in its \"rest\")`)},
		{"no function", "", "GET", "/items/sales?aggregate[median]=n", "", 400, gatewaytest.Refusal("INVALID_QUERY", `there is no function \"median\" in aggregate: there are avg avgDistinct count countAll countDistinct max min sum sumDistinct`)},
	} {
		g.items(t, &c)
	}
}

// encoded is a query string with its values escaped.
func encoded(query string) string {
	values := url.Values{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		values.Add(name, value)
	}
	return values.Encode()
}

// TestItemsMoments: what is removed by a time is what was before it, however both are spelled.
func TestItemsMoments(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	for _, c := range []itemCall{
		{"fill", "", "POST", "/items/a?fields=none", `[{"id":"1","at":"2026-11-29T10:00:00Z"},{"id":"2","at":"2026-11-29T23:00:00.000+11:00"},{"id":"3","at":"2026-11-29T21:30:00+09:00"},{"id":"4","at":1795950000000},{"id":"5","at":"2026-11-30"}]`, 200, `{"data":[{},{},{},{},{}]}`},
		{"in order", "", "GET", "/items/a?fields=id&sort=at&filter[id][_neq]=4", "", 200, `{"data":[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"5"}]}`},
		{"in the other order", "", "GET", "/items/a?fields=id&sort=-at&filter[id][_neq]=4", "", 200, `{"data":[{"id":"5"},{"id":"3"},{"id":"2"},{"id":"1"}]}`},
		{"the last", "", "GET", "/items/a?aggregate[max]=at&aggregate[min]=at&filter[id][_in]=2,3", "", 200, `{"data":[{"max":{"at":"2026-11-29T21:30:00+09:00"},"min":{"at":"2026-11-29T23:00:00.000+11:00"}}]}`},
		{"between", "", "GET", "/items/a?fields=id&filter[at][_between]=2026-11-29T20:00:00%2B09:00,2026-11-29T13:00:00%2B01:00", "", 200, `{"data":[{"id":"2"},{"id":"4"}]}`},
		{"a plus that is not escaped", "", "GET", "/items/a?fields=id&filter[at][_lt]=2026-11-29T20:00:00+09:00", "", 200, `{"data":[{"id":"1"}]}`},
		{"not yet made", "", "DELETE", "/items/a", `{"query":{"filter":{"date_created":{"_lt":"2020-01-01T20:00:00+09:00"}}}}`, 204, ""},
		{"no time", "", "DELETE", "/items/a", `{"query":{"filter":{"date_created":{"_lt":"yesterday"}}}}`, 400, gatewaytest.Refusal("INVALID_QUERY", `date_created is compared with \"yesterday\": give a time such as \"2026-11-29T20:00:00+09:00\", or milliseconds since 1970`)},
		{"an _or of nothing", "", "DELETE", "/items/a", `{"query":{"filter":{"_or":[]}}}`, 400, gatewaytest.Refusal("INVALID_QUERY", "the filter has an empty _or, which selects everything: leave it out to change all items")},
		{"all are left", "", "GET", "/items/a?aggregate[count]=*&filter={\"_or\":[]}", "", 200, `{"data":[{"count":5}]}`},
		{"before", "", "DELETE", "/items/a", `{"query":{"filter":{"at":{"_lt":"2026-11-29T20:30:00+09:00"}}}}`, 204, ""},
		{"these are left", "", "GET", "/items/a?fields=id&page=0", "", 200, `{"data":[{"id":"2"},{"id":"3"},{"id":"5"}]}`},
		{"after it was made", "", "GET", "/items/a?fields=id&filter[date_created][_gt]=4102444800000", "", 200, `{"data":[]}`},
		{"before a moment to come", "", "DELETE", "/items/a", `{"query":{"filter":{"date_created":{"_lt":"2100-01-01T09:00+09:00"}}}}`, 204, ""},
		{"none are left", "", "GET", "/items/a", "", 200, `{"data":[]}`},
	} {
		g.items(t, &c)
	}
}

// TestItemsLists: a list matches by its elements, and by none of them where the comparison is negated; large numbers
// compare exactly, and texts in any case.
func TestItemsLists(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	all := []itemCall{{"fill", "", "POST", "/items/a?fields=none", `[{"id":"1","tags":["x","y"],"n":9007199254740993,"name":"Ann"},{"id":"2","tags":["Xy"],"n":9007199254740992,"name":"ANN"},{"id":"3","tags":[],"n":5,"name":"bob"},{"id":"4","tags":null}]`, 200, `{"data":[{},{},{},{}]}`}}
	for filter, ids := range map[string]string{
		`{"tags":{"_contains":"x"}}`: "1", `{"tags":{"_in":["x"]}}`: "1", `{"tags":{"_in":"x"}}`: "1", `{"tags":{"_icontains":"x"}}`: "12", `{"tags":{"_starts_with":"X"}}`: "2",
		`{"tags":{"_ends_with":"y"}}`: "12", `{"tags":{"_ncontains":"x"}}`: "23", `{"tags":{"_nin":["x"]}}`: "23", `{"tags":{"_nin":["x","Xy"]}}`: "3", `{"tags":{"_nstarts_with":"X"}}`: "13",
		`{"tags":{"_eq":"x"}}`: "", `{"n":{"_eq":9007199254740992}}`: "2", `{"n":{"_gt":9007199254740992}}`: "1", `{"n":{"_in":[9007199254740993]}}`: "1", `{"n":{"_in":5}}`: "3", `{"n":{"_nin":5}}`: "12",
		`{"name":{"_ieq":"ann"}}`: "12", `{"name":{"_nieq":"ann"}}`: "3", `{"_or":[]}`: "1234", `{"_or":[],"n":{"_eq":5}}`: "3",
	} {
		want := ""
		for i, id := range ids {
			if i > 0 {
				want += ","
			}
			want += `{"id":"` + string(id) + `"}`
		}
		all = append(all, itemCall{filter, "", "GET", "/items/a?fields=id&filter=" + url.QueryEscape(filter), "", 200, `{"data":[` + want + `]}`})
	}
	for i := range all {
		g.items(t, &all[i])
	}
}
