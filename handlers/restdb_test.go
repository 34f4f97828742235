package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/documents"
	"sluice/store/eventlog/pebble"
)

// Keys of the tests of documents.
const (
	keyDocs     = "key-docs-0123456789"
	keyReads    = "key-reads-0123456789"
	keyInserts  = "key-inserts-0123456789"
	keyPuts     = "key-puts-0123456789"
	keyDeletes  = "key-deletes-0123456789"
	keyHome     = "key-home-0123456789"
	keyDocsRate = "key-docs-rate-0123456789"
)

var documentKeys = fmt.Sprintf(`[
	{"name":"docs","key":%q,"sub":["*"],"pub":["*"],"rest":["*:*"]},
	{"name":"none","key":%q,"sub":["*"],"pub":["*"]},
	{"name":"reads","key":%q,"rest":["GET:customer"]},
	{"name":"inserts","key":%q,"rest":["POST:*"]},
	{"name":"puts","key":%q,"rest":["PATCH:customer"]},
	{"name":"deletes","key":%q,"rest":["DELETE:cust*"]},
	{"name":"home","key":%q,"rest":["*:*"],"origins":["https://a.example"]},
	{"name":"rate","key":%q,"rest":["*:*"],"rate":2}
]`, keyDocs, keyNone, keyReads, keyInserts, keyPuts, keyDeletes, keyHome, keyDocsRate)

// made is when all of the tests' documents are made.
const made = "2026-11-20T13:22:01.130Z"

// withDocuments is a gateway whose keys may use documents.
func withDocuments(t testing.TB, change ...func(*setup)) *gateway {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, made)
	if err != nil {
		t.Fatal(err)
	}
	return newGateway(t, append([]func(*setup){func(s *setup) {
		s.auth.APIKeys = documentKeys
		s.document.Now = func() time.Time { return at }
	}}, change...)...)
}

func onPebble(t testing.TB) func(*setup) {
	return func(s *setup) {
		engine, err := pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		s.engine = engine
	}
}

// asked is a call of the door: the status, a blank, and the body of the answer.
func (g *gateway) asked(t testing.TB, key, method, path, body string, headers ...string) (string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+"/rest/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := answer.Header.Get("Content-Type"); method != http.MethodHead && kind != "application/json" && kind != "application/json; charset=UTF-8" || len(text) > 0 && !json.Valid(text) {
		t.Errorf("%s %s: %s %q is no JSON", method, path, kind, text)
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSuffix(string(text), "\n")), answer.Header
}

// exchange is a call and its answer to the byte.
type exchange struct{ method, path, body, want string }

func (g *gateway) exchanges(t *testing.T, all []exchange) {
	t.Helper()
	for _, x := range all {
		if got, _ := g.asked(t, keyDocs, x.method, x.path, x.body); got != x.want {
			t.Errorf("%s %s %s\n got %s\nwant %s", x.method, x.path, x.body, got, x.want)
		}
	}
}

const metas = `"_created":"` + made + `","_changed":"` + made + `","_createdby":"docs","_changedby":"docs"`

// TestDocuments goes through all the calls, on both engines.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]func(*setup){"memory": func(*setup) {}, "pebble": onPebble(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := withDocuments(t, engine)
			s := g.open(t, keyDocs, "?channels=*:customer")
			g.exchanges(t, []exchange{
				{"GET", "customer", "", `200 []`},
				{"POST", "customer", `{"_id":"1","name":"Ann","age":30,"_created":"1999","_version":7}`, `201 {"_id":"1","name":"Ann","age":30,` + metas + `}`},
				{"POST", "customer?validate=false", `[{"_id":"2","name":"Bob","tags":["a"]}, {"_id":"3","name":"Eve","age":5}]`,
					`201 [{"_id":"2","name":"Bob","tags":["a"],` + metas + `},{"_id":"3","name":"Eve","age":5,` + metas + `}]`},
				{"GET", "customer/1", "", `200 {"_id":"1","name":"Ann","age":30}`},
				{"GET", "customer/1?metafields=true", "", `200 {"_id":"1","name":"Ann","age":30,` + metas + `,"_version":1}`},
				{"GET", "customer", "", `200 [{"_id":"1","name":"Ann","age":30},{"_id":"2","name":"Bob","tags":["a"]},{"_id":"3","name":"Eve","age":5}]`},
				{"PUT", "customer/2", `{"_id":"9","name":"Bo","_changed":"x"}`, `200 {"_id":"2","name":"Bo","tags":["a"]}`},
				{"PUT", "customer/2", `{"$inc":{"n":5,"at.x":1},"$push":{"tags":"b"}}`, `200 {"_id":"2","name":"Bo","tags":["a","b"],"n":5,"at":{"x":1}}`},
				{"PUT", "customer/1", `{"$set":{},"$inc":{}}`, `200 {"_id":"1","name":"Ann","age":30}`},
				{"PATCH", "customer/2?metafields=true", `{"name":"Bobby","extra":null,"$inc":{"n":-7}}`,
					`200 {"_id":"2","name":"Bobby","tags":["a","b"],"n":-2,"at":{"x":1},"extra":null,` + metas + `,"_version":4}`},
				{"HEAD", "customer/2", "", `200 `},
				{"DELETE", "customer/2", "", `200 {"result":["2"]}`},
				{"HEAD", "customer/2", "", `404 `},
				{"DELETE", "customer/*", `["1","no","3"]`, `200 {"result":["1","3"]}`},
				{"DELETE", "customer/*", `["1"]`, `200 {"result":[]}`},
				{"POST", "customer", `[{"_id":"a","n":1},{"_id":"b","n":2},{"_id":"c","n":3}]`,
					`201 [{"_id":"a","n":1,` + metas + `},{"_id":"b","n":2,` + metas + `},{"_id":"c","n":3,` + metas + `}]`},
				{"DELETE", `customer/*?q={"n":{"$gt":1}}`, "", `200 {"result":["b","c"]}`},
				{"DELETE", "customer/*?q={}", "", `200 {"result":["a"]}`},
			})
			s.event(t) // init
			for _, want := range []string{
				`post {"event":"post","collection":"customer","data":{"_id":"1","name":"Ann","age":30,` + metas + `,"_version":1}}`,
				`post {"event":"post","collection":"customer","data":{"_id":"2","name":"Bob","tags":["a"],` + metas + `,"_version":1}}`,
				`post {"event":"post","collection":"customer","data":{"_id":"3","name":"Eve","age":5,` + metas + `,"_version":1}}`,
				`put {"event":"put","collection":"customer","data":"2"}`,
				`put {"event":"put","collection":"customer","data":"2"}`,
				`put {"event":"put","collection":"customer","data":"1"}`,
				`put {"event":"put","collection":"customer","data":"2"}`,
				`delete {"event":"delete","collection":"customer","data":["2"]}`,
				`delete {"event":"delete","collection":"customer","data":["1","3"]}`,
			} {
				if e := s.event(t); e.Name+" "+e.Data != want {
					t.Errorf("got %s %s\nwant %s", e.Name, e.Data, want)
				}
			}
			for range 3 {
				s.event(t)
			}
			if e := s.event(t); e.Data != `{"event":"delete","collection":"customer","data":["b","c"]}` {
				t.Errorf("%s", e.Data)
			}
		})
	}
}

// TestPartialPut: PUT changes the fields that its body names and keeps the others, as PATCH does.
func TestPartialPut(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	g.asked(t, keyDocs, "POST", "c", `{"_id":"1","name":"Ann","age":30,"at":{"city":"Oslo","zip":1}}`)
	g.exchanges(t, []exchange{
		{"PUT", "c/1", `{"age":31}`, `200 {"_id":"1","name":"Ann","age":31,"at":{"city":"Oslo","zip":1}}`},
		{"PUT", "c/1", `{}`, `200 {"_id":"1","name":"Ann","age":31,"at":{"city":"Oslo","zip":1}}`},
		{"PUT", "c/1", `{"_id":"9","_version":7}`, `200 {"_id":"1","name":"Ann","age":31,"at":{"city":"Oslo","zip":1}}`},
		{"PUT", "c/1", `{"at":{"city":"Bergen"},"name":null}`, `200 {"_id":"1","name":null,"age":31,"at":{"city":"Bergen"}}`},
		{"PUT", "c/1", `{"name":"Eve","$inc":{"age":1},"$unset":{"at":1}}`, `200 {"_id":"1","name":"Eve","age":32}`},
		{"PUT", "c/1?metafields=true", `{"$set":{"x":1}}`, `200 {"_id":"1","name":"Eve","age":32,"x":1,` + metas + `,"_version":7}`},
		{"GET", "c/1", "", `200 {"_id":"1","name":"Eve","age":32,"x":1}`},
	})
}

// TestDocumentsGivenID: the server's ids are 24 hex digits.
func TestDocumentsGivenID(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	for _, body := range []string{`{"a":1}`, `{"_id":null}`, `{"_id":""}`} {
		got, head := g.asked(t, keyDocs, "POST", "c", body)
		var d struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal([]byte(got[4:]), &d); err != nil || len(d.ID) != 24 || strings.Trim(d.ID, "0123456789abcdef") != "" || head.Get("Cache-Control") != "no-store" {
			t.Error(body, got, head, err)
		}
	}
}

// TestDocumentLists: queries as they are typed, and as browsers and forms encode them.
func TestDocumentLists(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
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
	head, body, _ := strings.Cut(raw(t, g, "GET /rest/"+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-apikey: "+keyDocs+"\r\n\r\n", 5*time.Second), "\r\n\r\n")
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
	g := withDocuments(t)
	g.asked(t, keyDocs, "POST", "c", `[{"_id":"1","c":"1","d":"x"},{"_id":"2","c":1,"d":"x"},{"_id":"3","c":null,"d":"x"},{"_id":"4","d":"x"}]`)
	g.exchanges(t, []exchange{
		{"GET", `c?groupby=c&groupby=d&aggregate=COUNT:n`, "", `200 {"null":{"x":{"COUNT n":2}},"1":{"x":{"COUNT n":1}},"\"1\"":{"x":{"COUNT n":1}}}`},
		{"GET", `c?groupby=c&h={"$fields":["d"]}`, "", `200 {"null":[{"_id":"3","d":"x"},{"_id":"4","d":"x"}],"1":[{"_id":"2","d":"x"}],"\"1\"":[{"_id":"1","d":"x"}]}`},
	})
}

// TestGroupsTogether: values that compare as equal are one group, however they are spelled, and groups come in order.
func TestGroupsTogether(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	g.asked(t, keyDocs, "POST", "c", `[{"_id":"1","c":10},{"_id":"2","c":9},{"_id":"3","c":9.0},{"_id":"4","c":"\u0041"},{"_id":"5","c":"A"},{"_id":"6","c":{"a":1}}]`)
	g.exchanges(t, []exchange{
		{"GET", `c?groupby=c&aggregate=COUNT:n`, "", `200 {"9":{"COUNT n":2},"10":{"COUNT n":1},"A":{"COUNT n":2},"{\"a\":1}":{"COUNT n":1}}`},
		{"GET", `c?groupby=c&h={"$fields":{"c":0}}`, "", `200 {"9":[{"_id":"2"},{"_id":"3"}],"10":[{"_id":"1"}],"A":[{"_id":"4"},{"_id":"5"}],"{\"a\":1}":[{"_id":"6"}]}`},
		{"GET", `c?groupby=c&q={"c":9}&sort=_id&dir=-1&h={"$fields":{"c":0}}`, "", `200 {"9.0":[{"_id":"3"},{"_id":"2"}]}`},
	})
}

// TestDocumentPermissions: who may do what.
func TestDocumentPermissions(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	calls := []struct{ what, method, path, body string }{
		{"GET", "GET", "customer/1", ""}, {"GET", "HEAD", "customer", ""}, {"GET", "GET", "customer", ""},
		{"POST", "POST", "customer", `{}`}, {"PUT", "PUT", "customer/1", `{}`}, {"PUT", "PATCH", "customer/1", `{}`},
		{"DELETE", "DELETE", "customer/1", ""}, {"DELETE", "DELETE", "customer/*", `["1"]`},
		{"other", "GET", "other", ""}, {"other", "PUT", "other/1", `{}`}, {"other", "DELETE", "other/1", ""},
	}
	for key, may := range map[string]string{
		keyDocs: "GET POST PUT DELETE other", keyNone: "", keyReads: "GET", keyInserts: "POST", keyPuts: "PUT", keyDeletes: "DELETE", keyHome: "GET POST PUT DELETE other",
	} {
		for _, c := range calls {
			got, _ := g.asked(t, key, c.method, c.path, c.body)
			allowed := slices.Contains(strings.Fields(may), c.what)
			if refused := strings.HasPrefix(got, "403"); refused == allowed {
				t.Errorf("%s %s %s: %s", key, c.method, c.path, got)
			}
		}
	}
	const cure = `{"message":"this credential may not PUT documents of \"customer\"; give it \"PUT:customer\" (\"rest\" of the key, \"rest\" in the token's \"realtime\")","code":"forbidden"}`
	if got, _ := g.asked(t, keyReads, "PATCH", "customer/1", `{}`); got != "403 "+cure {
		t.Error(got)
	}
	runAll(t, g, []scenario{
		{name: "no key", path: "/rest/customer", key: "-", status: 401, has: []string{`"code":"missing_credential"`}, answers: map[string]string{"WWW-Authenticate": "Bearer"}},
		{name: "a wrong key", path: "/rest/customer", key: "wrong", status: 401, has: []string{`"message":"`}},
		{name: "a key in the query", path: "/rest/customer?apikey=" + keyDocs, key: "-", status: 200, has: []string{`[`}},
		{name: "another origin", path: "/rest/customer", key: keyHome, headers: map[string]string{"Origin": "https://b.example"}, status: 403, has: []string{`"code":"origin_not_allowed"`}},
		{name: "the key's origin", path: "/rest/customer", key: keyHome, headers: map[string]string{"Origin": "https://a.example"}, status: 200},
	})
}

// TestDocumentRefusals: each with its status, its code and what to do instead.
func TestDocumentRefusals(t *testing.T) {
	t.Parallel()
	g := withDocuments(t, func(s *setup) {
		s.document.MaxDocument, s.document.MaxDocuments, s.document.MaxCollections, s.document.MaxResult = 2000, 12, 3, 6000
	})
	g.asked(t, keyDocs, "POST", "c", `{"_id":"1","n":1,"s":"x","list":[1],"o":{"n":1},"big":9223372036854775807}`)
	big := strings.Repeat("x", 2500)
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "c/2", "", `404 not_found: there is no such document`},
		{"PUT", "c/2", `{}`, `404 not_found: there is no such document: "2"`},
		{"PATCH", "c/2", `{}`, `404 not_found`},
		{"DELETE", "c/2", "", `404 not_found`},
		{"GET", "c.js", "", `404 not_found: there is no such collection: a collection's name has 1 to 128 characters: letters, digits, - and _; answers are JSON alone, so no .js or .html`},
		{"GET", "c.html", "", `404 not_found`},
		{"GET", "c/1/sub", "", `404 not_found`},
		{"GET", strings.Repeat("c", 129), "", `404 not_found`},
		{"POST", "_jsapi.js", `{}`, `404 not_found`},
		{"PUT", "c", `{}`, `405 method_not_allowed`},
		{"POST", "c/1", `{}`, `405 method_not_allowed`},

		{"POST", "c", "", `400 bad_document: there is no body: a document is a JSON object`},
		{"POST", "c", `5`, `400 bad_document: a document is a JSON object, not a number`},
		{"POST", "c", `"x"`, `400 bad_document: a document is a JSON object, not a string`},
		{"POST", "c", `null`, `400 bad_document: a document is a JSON object, not null`},
		{"PUT", "c/1", `[]`, `400 bad_document: a document is a JSON object, not an array`},
		{"POST", "c", `[]`, `400 bad_document`},
		{"POST", "c", `{`, `400 bad_json`},
		{"POST", "c", `{"a":1,"a":2}`, `400 bad_json`},
		{"POST", "c", `{"a":{"b":1,"b":2}}`, `400 bad_json`},
		{"POST", "c", "{\"a\":\"\xff\"}", `400 bad_json`},
		{"POST", "c", `{} {}`, `400 bad_json`},
		{"POST", "c", `1`, `400 bad_document`},
		{"POST", "c", `[{},1]`, `400 bad_document: document 1: a document is a JSON object, not a number`},
		{"POST", "c", `{"a":` + deep + `}`, `400 bad_document`},
		{"POST", "c", `{"$inc":{"a":1}}`, `400 bad_document: field "$inc": the names of fields do not begin with a $`},
		{"POST", "c", `{"_id":"a/b"}`, `400 bad_document: an id has 1 to 128 characters`},
		{"POST", "c", `{"_id":7}`, `400 bad_document: _id is a number: an id has 1 to 128 characters`},
		{"POST", "c", `[{},{"_id":"a/b"}]`, `400 bad_document: document 1: an id has 1 to 128 characters`},
		{"POST", "c", `{"_id":"1"}`, `409 id_taken: the collection has a document with this id already: "1"`},
		{"POST", "c", `[{},{"_id":"7"},{"_id":"1"}]`, `409 id_taken: the collection has a document with this id already: "1"`},
		{"POST", "c", `[{"_id":"7"},{"_id":"7"}]`, `409 id_taken: the collection has a document with this id already: "7"`},
		{"POST", "c", `{"a":"` + big + `"}`, `413 document_too_large: the document would have more than 2000 bytes (MAX_DOCUMENT)`},
		{"POST", "c", `[` + strings.Repeat(`{},`, 1000) + `{}]`, `413 too_many_documents: more than 1000 documents at once; send them in several requests`},
		{"POST", "c", `[` + strings.Repeat(`{},`, 12) + `{}]`, `409 collection_full: the collection would have more than 12 documents (MAX_DOCUMENTS)`},

		{"PUT", "c/1", `[]`, `400 bad_document`},
		{"PUT", "c/1", `{"$frob":{"a":1}}`, `400 bad_update: there is no operator "$frob": there are $addToSet $currentDate $inc $max $min $mul $pop $pull $pullAll $push $set $unset $rename`},
		{"PATCH", "c/1", `{"n":1,"$inc":{"n":1}}`, `400 bad_update: field "n" is given and changed by an operator`},
		{"PUT", "c/1", `{"$inc":5}`, `400 bad_update: $inc takes an object of fields, such as {"$inc":{"count":1}}, not a number`},
		{"PUT", "c/1", `{"$inc":{"n":"1"}}`, `400 bad_update: $inc of "n" takes a number, not a string`},
		{"PUT", "c/1", `{"$inc":{"s":1}}`, `400 bad_update: $inc of "s" meets a string: it takes a field that holds a number, or none`},
		{"PUT", "c/1", `{"$inc":{"big":1}}`, `400 bad_update: $inc of "big" would leave the integers of 64 bits`},
		{"PUT", "c/1", `{"$inc":{"n":99999999999999999999}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$mul":{"n":1.5e308,"o.n":1e308}}`, `200 `},
		{"PUT", "c/1", `{"$mul":{"n":1.5e308}}`, `400 bad_update: $mul of "n" would be too large for a number`},
		{"PUT", "c/1", `{"$inc":{"s.a":1}}`, `400 bad_update: $inc of "s.a" leads into a string: only objects and lists have parts`},
		{"PUT", "c/1", `{"$set":{"list.5":1}}`, `400 bad_update: $set of "list.5" leads to element "5" of a list of 1`},
		{"PUT", "c/1", `{"$set":{"list.x":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"list.$":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"a..b":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"_version":1}}`, `400 bad_update: $set cannot touch "_version": the gateway keeps it`},
		{"PUT", "c/1", `{"$set":{"_id":"2"}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$rename":{"n":"_id"}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$rename":{"n":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$inc":{"n":1},"$set":{"n":1}}`, `400 bad_update: field "n" is changed by two operators`},
		{"PUT", "c/1", `{"$inc":{"o.n":1},"$set":{"o":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"o":1},"$unset":{"o.n":1}}`, `400 bad_update: fields "o" and "o.n" are changed by operators`},
		{"PUT", "c/1", `{"$push":{"n":1}}`, `400 bad_update: $push of "n" meets a number: it takes a field that holds a list`},
		{"PUT", "c/1", `{"$push":{"list":{"$each":1}}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$push":{"list":{"$each":[1],"$slice":1}}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$push":{"list":{"$each":[` + strings.Repeat("1,", 1000) + `1]}}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$pop":{"list":2}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$pull":{"list":{"$frob":2}}}`, `400 bad_update: $pull of "list" there is no operator`},
		{"PUT", "c/1", `{"$pullAll":{"list":2}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{` + manyFields(101) + `}}`, `400 bad_update: there are operators for more than 100 fields`},
		{"PUT", "c/1", `{"$set":{"s":"` + big + `"}}`, `413 document_too_large`},

		{"DELETE", "c/*", "", `400 bad_query: say which documents`},
		{"DELETE", "c/*?q=", "", `400 bad_query: say which documents`},
		{"DELETE", "c/*?q=%20", "", `400 bad_query: say which documents`},
		{"DELETE", "c/*?q=[]", "", `400 bad_query: say which documents`},
		{"DELETE", "c/*?filter=x", "", `400 bad_query: say which documents`},
		{"DELETE", `c/*?q={}&q={"n":1}`, "", `400 bad_query: q is there 2 times: send it once`},
		{"DELETE", "c/*?q={}", `["1"]`, `400 bad_query: say which documents once: by a JSON array of ids as the body, or by q`},
		{"DELETE", "c/*", `{}`, `400 bad_json`},
		{"DELETE", "c/*", `null`, `400 bad_json`},
		{"DELETE", "c/*", `[1]`, `400 bad_json`},
		{"DELETE", "c/*", `["1","1"]`, `400 bad_document: an id occurs twice; send each id once: "1"`},
		{"DELETE", "c/*?q={}&skip=1", "", `400 bad_query`},
		{"DELETE", `c/*?q={}&h={"$orderby":{"n":1}}`, "", `400 bad_query`},
		{"DELETE", `c/*?q={"$frob":1}`, "", `400 bad_query`},

		{"GET", `c?q={"a":`, "", `400 bad_query: parameter q is not JSON`},
		{"GET", `c?q={"a":{"$frob":1}}`, "", `400 bad_query: there is no operator "$frob"`},
		{"GET", `c?max=-1`, "", `400 bad_query`},
		{"GET", `c?max=1&max=2`, "", `400 bad_query: max is there 2 times: send it once`},
		{"GET", `c?h={"$groupby":["a","b","c","d","e","f","g","h","i","j","k"]}`, "", `400 bad_query: there are more than 10 fields to group by`},
		{"GET", "c?" + strings.Repeat("groupby=a&", 11), "", `400 bad_query: there are more than 10 fields to group by`},
		{"GET", `c?x=%zz`, "", `400 bad_query: the query cannot be read`},

		{"POST", "d", `{}`, `201 `}, {"POST", "e", `{}`, `201 `},
		{"POST", "f", `{}`, `409 collection_full: there would be more than 3 collections (MAX_COLLECTIONS)`},
		{"POST", "d", `[{"s":"` + big[:1700] + `"},{"s":"` + big[:1700] + `"},{"s":"` + big[:1700] + `"},{"s":"` + big[:1700] + `"}]`, `201 `},
		{"GET", "d", "", `400 result_too_large: the answer would have more than 6000 bytes; ask for fewer documents or fields (MAX_RESULT)`},
	} {
		got := ""
		if c.method == "GET" && strings.Contains(c.path, "?") {
			got = rawQuery(t, g, c.path).text
		} else {
			got, _ = g.asked(t, keyDocs, c.method, c.path, c.body)
		}
		var e struct{ Message, Code string }
		if got[0] != '2' {
			if err := json.Unmarshal([]byte(got[4:]), &e); err != nil || e.Message == "" {
				t.Errorf("%s %s: %s", c.method, c.path, got)
			}
			got = got[:4] + e.Code + ": " + e.Message
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s %.80s\n got %.200s\nwant %s", c.method, c.path, c.body, got, c.want)
		}
	}
}

func manyFields(n int) string {
	var fields []string
	for i := range n {
		fields = append(fields, fmt.Sprintf(`"f%d":1`, i))
	}
	return strings.Join(fields, ",")
}

// TestDocumentBodies: types, sizes and methods that are not taken, and preflights.
func TestDocumentBodies(t *testing.T) {
	t.Parallel()
	g := withDocuments(t, func(s *setup) { s.realtime.MaxBody, s.realtime.ReadTimeout = 1000, 200*time.Millisecond })
	head := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	runAll(t, g, []scenario{
		{name: "another type", path: "/rest/c", key: keyDocs, body: "{}", headers: head("Content-Type", "text/plain"), status: 415, has: []string{`"code":"unsupported_media_type"`}},
		{name: "none", path: "/rest/c", key: keyDocs, body: "{}", headers: head("Content-Type", ""), status: 415},
		{name: "another charset", path: "/rest/c", key: keyDocs, body: "{}", headers: head("Content-Type", "application/json; charset=latin1"), status: 415},
		{name: "jQuery's type", path: "/rest/c", key: keyDocs, body: "{}", headers: head("Content-Type", "application/json; charset=utf-8"), status: 201},
		{name: "compressed", path: "/rest/c", key: keyDocs, body: "{}", headers: head("Content-Encoding", "gzip"), status: 415, has: []string{`"code":"unsupported_encoding"`}},
		{name: "too large", path: "/rest/c", key: keyDocs, body: `{"a":"` + strings.Repeat("x", 1000) + `"}`, status: 413, has: []string{`"code":"body_too_large"`, "MAX_BODY"}},
		{name: "no method", method: "PUT", path: "/rest/c", key: keyDocs, status: 405, has: []string{`"message":"`}, answers: map[string]string{"Allow": "*any*"}},
		{name: "preflight", method: "OPTIONS", path: "/rest/c/1", key: "-", headers: head("Origin", "https://a.example", "Access-Control-Request-Method", "PATCH",
			"Access-Control-Request-Headers", "cache-control,content-type,x-apikey"), status: 204, answers: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"}},
		{name: "exposed", path: "/rest/c", key: keyDocs, headers: head("Origin", "https://a.example"), status: 200, answers: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id, X-Pagination", "X-Pagination": "*any*"}},
		{name: "no preflight", method: "OPTIONS", path: "/rest/c", key: "-", status: 204, answers: map[string]string{"Allow": "*any*"}},
		{name: "errors too", path: "/rest/c", key: "-", headers: head("Origin", "https://a.example"), status: 401, answers: map[string]string{"Access-Control-Allow-Origin": "*"}},
		{name: "the API", path: "/rest/_jsapi.js?plainjs=true", key: "-", status: 200, answers: map[string]string{"Content-Type": "text/javascript; charset=utf-8"}},
		{name: "its page", path: "/rest/_jsapi.doc", key: "-", status: 200, has: []string{"db.chat.find"}, answers: map[string]string{"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "*any*"}},
	})
	if got := raw(t, g, "POST /rest/c HTTP/1.1\r\nHost: x\r\nx-apikey: "+keyDocs+"\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", 5*time.Second); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, `"code":"body_timeout"`) {
		t.Error(got)
	}
}

// TestDocumentRate: each event that a change makes is charged.
func TestDocumentRate(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	if got, _ := g.asked(t, keyDocsRate, "POST", "c", `[{"_id":"1"},{},{},{}]`); got[:3] != "201" { // a batch passes if anything is left
		t.Fatal(got)
	}
	for _, x := range []exchange{{"POST", "c", `{}`, ""}, {"PUT", "c/1", `{}`, ""}, {"PATCH", "c/1", `{}`, ""}, {"DELETE", "c/1", "", ""}, {"DELETE", "c/*?q={}", "", ""}} {
		got, head := g.asked(t, keyDocsRate, x.method, x.path, x.body)
		if !strings.HasPrefix(got, `429 {"message":"over the publish rate`) || head.Get("Retry-After") == "" {
			t.Error(x, got)
		}
	}
	if got, _ := g.asked(t, keyDocsRate, "GET", "c/1", ""); got[:3] != "200" {
		t.Error(got)
	}
}

// TestDocumentDrain: changes end with the gateway, and are counted by their outcome until then.
func TestDocumentDrain(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	g.asked(t, keyDocs, "POST", "c", `[{"_id":"1"},{}]`)
	g.asked(t, keyDocs, "PUT", "c/1", `{}`)
	g.asked(t, keyDocs, "PUT", "c/9", `{}`)
	if n := g.traffic.Counts(); n.Events != 3 || n.Refused != 1 {
		t.Errorf("%+v", n)
	}
	if err := g.traffic.Drain(t.Context(), g.broker); err != nil {
		t.Fatal(err)
	}
	if got, head := g.asked(t, keyDocs, "PUT", "c/1", `{}`); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, `"code":"draining"`) || head.Get("Retry-After") == "" {
		t.Error(got)
	}
}

// TestManyDeletes: more than one request takes away at once is refused, or done in parts.
func TestManyDeletes(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	for range 3 {
		if got, _ := g.asked(t, keyDocs, "POST", "c", `[`+strings.Repeat(`{},`, 499)+`{}]`); got[:3] != "201" {
			t.Fatal(got)
		}
	}
	if got, _ := g.asked(t, keyDocs, "DELETE", "c/*?q={}", ""); !strings.Contains(got, "add max=1000") {
		t.Error(got)
	}
	left := 1500
	for _, c := range []struct {
		query string
		gone  int
	}{{"q={}&max=0", 0}, {"q={}&max=1", 1}, {`q={}&h={"$max":1000}`, 1000}, {"q={}", 499}} {
		got, _ := g.asked(t, keyDocs, "DELETE", "c/*?"+c.query, "")
		if left -= c.gone; strings.Count(got, `","`)+min(1, c.gone) != c.gone {
			t.Errorf("%s: %.100s", c.query, got)
		}
		if n, err := g.documents.Count(t.Context(), "c"); err != nil || n != int64(left) {
			t.Error(c.query, n, err)
		}
	}
}

// TestLargeDeletes: what one request takes away is bounded in bytes too, as others wait for it.
func TestLargeDeletes(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	text := strings.Repeat("x", 60_000)
	var ids []string
	for range 150 {
		var fields documents.Fields
		fields.Set("s", []byte(`"`+text+`"`))
		ids = append(ids, fmt.Sprintf("d%03d", len(ids)))
		if _, err := g.documents.Insert(t.Context(), "c", "docs", []documents.New{{ID: ids[len(ids)-1], Fields: fields}}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := g.asked(t, keyDocs, "DELETE", "c/*", string(all)); got != `413 {"message":"the documents of one request would have more than 8388608 bytes; send them in several","code":"too_many_documents"}` {
		t.Error(got)
	}
	if got, _ := g.asked(t, keyDocs, "DELETE", "c/*?q={}", ""); got != `413 {"message":"q asks for more than 1000 documents, or 8388608 bytes of them, which is what one request takes away; add max=1000, and repeat it until its result is empty","code":"too_many_documents"}` {
		t.Error(got)
	}
	for _, want := range []int{139, 11, 0} {
		got, _ := g.asked(t, keyDocs, "DELETE", "c/*?q={}&max=1000", "")
		if n := strings.Count(got, `"d`); got[:3] != "200" || n != want {
			t.Errorf("%.100s: %d, want %d", got, n, want)
		}
	}
}

// TestDocumentQueryTime: a query that takes too long says what to do about it.
func TestDocumentQueryTime(t *testing.T) {
	t.Parallel()
	g := withDocuments(t, func(s *setup) { s.document.QueryTime = 1 })
	g.asked(t, keyDocs, "POST", "c", `[`+strings.Repeat(`{},`, 999)+`{}]`)
	for _, query := range []string{"", "?aggregate=COUNT:n", `?groupby=n`} {
		if got, _ := g.asked(t, keyDocs, "GET", "c"+query, ""); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, `"code":"query_too_slow"`) || !strings.Contains(got, "COLLECTION_INDEXES") {
			t.Errorf("%s: %.200s", query, got)
		}
	}
}

// TestDocumentDepth: no change makes a document deeper than one can be inserted.
func TestDocumentDepth(t *testing.T) {
	t.Parallel()
	g := withDocuments(t)
	g.asked(t, keyDocs, "POST", "c", `{"_id":"1","a":1}`)
	deeper := map[bool]string{true: `{"$rename":{"a":"b` + strings.Repeat(".x", 9) + `"}}`, false: `{"$rename":{"b":"a` + strings.Repeat(".x", 9) + `"}}`}
	for i := range 12 {
		got, _ := g.asked(t, keyDocs, "PUT", "c/1", deeper[i%2 == 0])
		if i == 11 && !strings.Contains(got, `"code":"bad_document"`) || i < 11 && got[:3] != "200" {
			t.Error(i, got)
		}
	}
}

// TestCountTogether: many who count lose nothing.
func TestCountTogether(t *testing.T) {
	t.Parallel()
	g := withDocuments(t, onPebble(t))
	g.asked(t, keyDocs, "POST", "c", `{"_id":"1"}`)
	const writers, each = 16, 25
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for range each {
				body := fmt.Sprintf(`{"$inc":{"n":1,"by.w%d":1},"$push":{"list":%d}}`, w, w)
				if got, _ := g.asked(t, keyDocs, "PUT", "c/1", body); got[:3] != "200" {
					t.Error(got)
				}
			}
		})
	}
	group.Wait()
	got, _ := g.asked(t, keyDocs, "GET", "c/1?metafields=true", "")
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
