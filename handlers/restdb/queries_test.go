package restdb_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// TestDocumentLists: queries as they are typed, and as browsers and forms encode them.
func TestDocumentLists(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.exchanges(t, []exchange{{"POST", "c", `[{"_id":"1","n":1,"s":"a b","c":"x"},{"_id":"2","n":2,"s":"+47","c":"y"},{"_id":"3","n":3,"s":"50%","c":"x"},{"_id":"4","n":4,"s":"a;b","c":1}]`,
		`201 [{"_id":"1","n":1,"s":"a b","c":"x",` + metas + `},{"_id":"2","n":2,"s":"+47","c":"y",` + metas + `},{"_id":"3","n":3,"s":"50%","c":"x",` + metas + `},{"_id":"4","n":4,"s":"a;b","c":1,` + metas + `}]`}})
	encoded := url.Values{"q": {`{"s":"+47"}`}, "h": {`{"$fields":{"n":1}}`}}.Encode()
	for _, c := range []struct{ query, want, page string }{
		{`h={%22$fields%22:[%22n%22],%22$max%22:2,%22$skip%22:1}`, `[{"_id":"2","n":2},{"_id":"3","n":3}]`, `{"total":4,"count":2,"skip":1,"max":2}`},
		{`q={"n":{"$gt":1,"$lt":4}}&h={"$fields":["n"],"$orderby":{"n":-1}}`, `[{"_id":"3","n":3},{"_id":"2","n":2}]`, `{"total":2,"count":2,"skip":0,"max":1000}`},
		{`q={%22s%22:%22a%20b%22}&h={"$fields":["n"]}`, `[{"_id":"1","n":1}]`, `{"total":1,"count":1,"skip":0,"max":1000}`},
		{`q={"s":"+47"}&h={"$fields":["n"]}`, `[{"_id":"2","n":2}]`, ``},
		{`q=%7B%22s%22:%22a+b%22%7D&h=%7B%22$fields%22:[%22n%22]%7D`, `[{"_id":"1","n":1}]`, ``}, // axios: what begins encoded is a form's
		{`q=%7B%22s%22:%22%2B47%22%7D&h={"$fields":["n"]}`, `[{"_id":"2","n":2}]`, ``},
		{`q=%7B%22s%22:%22a%20b%22%7D&h={"$fields":["n"]}`, `[{"_id":"1","n":1}]`, ``}, // encodeURI
		{encoded, `[{"_id":"2","n":2}]`, ``},
		{`q=%7B%22s%22%3A%22a+b%22%7D&h={"$fields":["n"]}`, `[{"_id":"1","n":1}]`, ``}, // a form
		{`q={%22s%22:%2250%%22}&h={"$fields":["n"]}`, `[{"_id":"3","n":3}]`, ``},
		{`q={"s":{"$regex":"^5.%$"}}&h={"$fields":["n"]}`, `[{"_id":"3","n":3}]`, ``},
		{`q={"s":"a;b"}&h={"$fields":["n"]}`, `[{"_id":"4","n":4}]`, ``},
		{`filter=A+b&h={"$fields":["n"]}`, `[{"_id":"1","n":1}]`, ``},
		{`sort=n&dir=-1&max=1&skip=1&h={"$fields":["n"]}`, `[{"_id":"3","n":3}]`, `{"total":4,"count":1,"skip":1,"max":1}`},
		{`q={"n":1}&metafields=true`, `[{"_id":"1","n":1,"s":"a b","c":"x",` + metas + `,"_version":1}]`, ``},
		{`q={"n":99}`, `[]`, `{"total":0,"count":0,"skip":0,"max":1000}`},
		{`aggregate=SUM:n&aggregate=COUNT:how&aggregate=SUM:n&aggregate=MAX:n`, `{"SUM n":10,"COUNT how":4,"MAX n":{"_id":"4","n":4,"s":"a;b","c":1}}`, ``},
		{`h={"$aggregate":["COUNT:"]}`, `{"COUNT ":4}`, ``},
		{`q={"n":{"$lt":4}}&aggregate=SUM:n,COUNT:,AVG:n`, `{"SUM n":6,"COUNT ":3,"AVG n":2}`, ``},
		{`h={"$aggregate":["MIN:s","max:s"],"$fields":["s"]}`, `{"MIN s":{"_id":"2","s":"+47"},"MAX s":{"_id":"4","s":"a;b"}}`, ``},
		{`groupby=c&h={"$aggregate":["MAX:n"],"$fields":["n"]}`, `{"1":{"MAX n":{"_id":"4","n":4}},"x":{"MAX n":{"_id":"3","n":3}},"y":{"MAX n":{"_id":"2","n":2}}}`, ``},
		{`h={"$aggregate":["MIN:no"]}&metafields=true`, `{"MIN no":null}`, ``},
		{`totals=true&max=1&skip=1&h={"$fields":["n"]}`, `{"data":[{"_id":"2","n":2}],"totals":{"total":4,"count":1,"skip":1,"max":1}}`, `{"total":4,"count":1,"skip":1,"max":1}`},
		{`totals=true&count=true`, `{"data":[],"totals":{"count":4}}`, ``},
		{`&totals=true&count=true&max=1&groupby=c&q={"n":{"$gt":1}}`, `{"data":[],"totals":{"count":3}}`, ``},
		{`totals=true&groupby=c&q={"n":2}&h={"$fields":["n"]}`, `{"data":{"y":[{"_id":"2","n":2}]},"totals":{"total":1,"count":1,"skip":0,"max":1000}}`, ``},
		{`count=true&max=1&h={"$fields":["n"]}`, `[{"_id":"1","n":1}]`, ``},
		{`h={"$orderby":+{"n":+-1},+"$max":+1,"$fields":["n"]}`, `[{"_id":"4","n":4}]`, ``},
		{`h={"$groupby":["two+words"],"$aggregate":["COUNT:a+b"]}`, `{"null":{"COUNT a b":4}}`, ``},
		{`q={"s":+"a+b"}&h={"$fields":["n"]}`, `[{"_id":"1","n":1}]`, ``},
		{`q={"s":{"$in":["+47",+"a%2Bb"]}}&h={"$fields":["n"]}`, `[]`, ``},
		{`q={"s":"%2B47"}&h={"$fields":["n"]}`, `[{"_id":"2","n":2}]`, ``},
		{`q=[]&h=[]&max=1&groupby=n`, `{"1":[{"_id":"1","n":1,"s":"a b","c":"x"}]}`, ``},
		{`q={"n":1}&h=+[+]+`, `[{"_id":"1","n":1,"s":"a b","c":"x"}]`, ``},
		{`groupby=c&aggregate=SUM:n`, `{"1":{"SUM n":4},"x":{"SUM n":4},"y":{"SUM n":2}}`, ``},
		{`groupby=c&h={"$fields":["n"],"$max":3}`, `{"x":[{"_id":"1","n":1},{"_id":"3","n":3}],"y":[{"_id":"2","n":2}]}`, `{"total":4,"count":3,"skip":0,"max":3}`},
		{`q={"n":99}&groupby=c`, `{}`, ``},
		{`q={"n":99}&groupby=c&aggregate=SUM:n`, `{}`, ``},
		{`q={"n":99}&aggregate=AVG:n`, `{"AVG n":null}`, ``},
		{`h={"$fields":["n"],"$skip":3}&q={"n":{"$lt":1e+3}}`, `[{"_id":"4","n":4}]`, ``},
	} {
		raw := rawQuery(t, g, "c?"+c.query)
		if want := "200 " + c.want; raw.text != want {
			t.Errorf("%s\n got %s\nwant %s", c.query, raw.text, want)
		}
		if c.page != "" && raw.page != c.page {
			t.Errorf("%s: %s", c.query, raw.page)
		}
	}
}

type rawAnswer struct{ text, page string }

// rawQuery sends a request line as it is, which Go's client would not.
func rawQuery(t *testing.T, g *gateway, target string) rawAnswer {
	t.Helper()
	head, body, _ := strings.Cut(g.Raw(t, "GET /rest/"+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-apikey: "+gatewaytest.KeyDocs+"\r\n\r\n", 5*time.Second), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	a := rawAnswer{text: strings.Fields(lines[0] + " - -")[1] + " " + strings.TrimSuffix(body, "\n")}
	for _, l := range lines {
		if p, ok := strings.CutPrefix(l, "X-Pagination: "); ok {
			a.page = p
		}
	}
	return a
}

// TestGroupsApart: a 1 and a "1" are two groups.
func TestGroupsApart(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `[{"_id":"1","c":"1","d":"x"},{"_id":"2","c":1,"d":"x"},{"_id":"3","c":null,"d":"x"},{"_id":"4","d":"x"}]`)
	g.exchanges(t, []exchange{
		{"GET", `c?groupby=c&groupby=d&aggregate=COUNT:n`, "", `200 {"null":{"x":{"COUNT n":2}},"1":{"x":{"COUNT n":1}},"\"1\"":{"x":{"COUNT n":1}}}`},
		{"GET", `c?groupby=c&h={"$fields":["d"]}`, "", `200 {"null":[{"_id":"3","d":"x"},{"_id":"4","d":"x"}],"1":[{"_id":"2","d":"x"}],"\"1\"":[{"_id":"1","d":"x"}]}`},
	})
}

// TestGroupsTogether: values that compare as equal are one group, however they are spelled, and groups come in order.
func TestGroupsTogether(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `[{"_id":"1","c":10},{"_id":"2","c":9},{"_id":"3","c":9.0},{"_id":"4","c":"\u0041"},{"_id":"5","c":"A"},{"_id":"6","c":{"a":1}}]`)
	g.exchanges(t, []exchange{
		{"GET", `c?groupby=c&aggregate=COUNT:n`, "", `200 {"9":{"COUNT n":2},"10":{"COUNT n":1},"A":{"COUNT n":2},"{\"a\":1}":{"COUNT n":1}}`},
		{"GET", `c?groupby=c&h={"$fields":{"c":0}}`, "", `200 {"9":[{"_id":"2"},{"_id":"3"}],"10":[{"_id":"1"}],"A":[{"_id":"4"},{"_id":"5"}],"{\"a\":1}":[{"_id":"6"}]}`},
		{"GET", `c?groupby=c&q={"c":9}&sort=_id&dir=-1&h={"$fields":{"c":0}}`, "", `200 {"9.0":[{"_id":"3"},{"_id":"2"}]}`},
	})
}

// TestDocumentQueryTime: a query that takes too long says what to do about it.
func TestDocumentQueryTime(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments, func(s *setup) { s.QueryTime = 1 })
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `[`+strings.Repeat(`{},`, 999)+`{}]`)
	for _, query := range []string{"", "?aggregate=COUNT:n", `?groupby=n`} {
		if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "GET", "c"+query, ""); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, `"code":"query_too_slow"`) || !strings.Contains(got, "COLLECTION_INDEXES") {
			t.Errorf("%s: %.200s", query, got)
		}
	}
}

// TestDocumentDepth: no change makes a document deeper than one can be inserted.
func TestDocumentDepth(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `{"_id":"1","a":1}`)
	deeper := map[bool]string{true: `{"$rename":{"a":"b` + strings.Repeat(".x", 9) + `"}}`, false: `{"$rename":{"b":"a` + strings.Repeat(".x", 9) + `"}}`}
	for i := range 12 {
		got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "PUT", "c/1", deeper[i%2 == 0])
		if i == 11 && !strings.Contains(got, `"code":"bad_document"`) || i < 11 && got[:3] != "200" {
			t.Error(i, got)
		}
	}
}

// TestCountTogether: many who count lose nothing.
func TestCountTogether(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments, gatewaytest.OnPebble(t))
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `{"_id":"1"}`)
	const writers, each = 16, 25
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for range each {
				body := fmt.Sprintf(`{"$inc":{"n":1,"by.w%d":1},"$push":{"list":%d}}`, w, w)
				if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "PUT", "c/1", body); got[:3] != "200" {
					t.Error(got)
				}
			}
		})
	}
	group.Wait()
	got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "GET", "c/1?metafields=true", "")
	var d struct {
		N       int            `json:"n"`
		By      map[string]int `json:"by"`
		List    []int          `json:"list"`
		Version int            `json:"_version"`
	}
	if err := json.Unmarshal([]byte(got[4:]), &d); err != nil {
		t.Fatal(err)
	}
	if d.N != writers*each || len(d.List) != writers*each || d.Version != writers*each+1 || len(d.By) != writers {
		t.Errorf("%+v", d)
	}
	for w, n := range d.By {
		if n != each {
			t.Error(w, n)
		}
	}
}
