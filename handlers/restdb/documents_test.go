package restdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sluice/gateway/gatewaytest"
	"sluice/store/documents"
)

// exchange is a call and its answer to the byte.
type exchange struct{ method, path, body, want string }

func (g *gateway) exchanges(t *testing.T, all []exchange) {
	t.Helper()
	for _, x := range all {
		if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, x.method, x.path, x.body); got != x.want {
			t.Errorf("%s %s %s\n got %s\nwant %s", x.method, x.path, x.body, got, x.want)
		}
	}
}

const metas = `"_created":"` + made + `","_changed":"` + made + `","_createdby":"docs","_changedby":"docs"`

// TestDocuments goes through all the calls, on both engines.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]func(*setup){"memory": func(*setup) {}, "pebble": gatewaytest.OnPebble(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, gatewaytest.WithDocuments, engine)
			s := g.Open(t, gatewaytest.KeyDocs, "?channels=*:customer")
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
			s.Event(t) // init
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
				if e := s.Event(t); e.Name+" "+e.Data != want {
					t.Errorf("got %s %s\nwant %s", e.Name, e.Data, want)
				}
			}
			for range 3 {
				s.Event(t)
			}
			if e := s.Event(t); e.Data != `{"event":"delete","collection":"customer","data":["b","c"]}` {
				t.Errorf("%s", e.Data)
			}
		})
	}
}

// TestPartialPut: PUT changes the fields that its body names and keeps the others, as PATCH does.
func TestPartialPut(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `{"_id":"1","name":"Ann","age":30,"at":{"city":"Oslo","zip":1}}`)
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
	g := newGateway(t, gatewaytest.WithDocuments)
	for _, body := range []string{`{"a":1}`, `{"_id":null}`, `{"_id":""}`} {
		got, head := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", body)
		var d struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal([]byte(got[4:]), &d); err != nil || len(d.ID) != 24 || strings.Trim(d.ID, "0123456789abcdef") != "" || head.Get("Cache-Control") != "no-store" {
			t.Error(body, got, head, err)
		}
	}
}

// TestManyDeletes: more than one request takes away at once is refused, or done in parts.
func TestManyDeletes(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	for range 3 {
		if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `[`+strings.Repeat(`{},`, 499)+`{}]`); got[:3] != "201" {
			t.Fatal(got)
		}
	}
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "DELETE", "c/*?q={}", ""); !strings.Contains(got, "add max=1000") {
		t.Error(got)
	}
	left := 1500
	for _, c := range []struct {
		query string
		gone  int
	}{{"q={}&max=0", 0}, {"q={}&max=1", 1}, {`q={}&h={"$max":1000}`, 1000}, {"q={}", 499}} {
		got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "DELETE", "c/*?"+c.query, "")
		if left -= c.gone; strings.Count(got, `","`)+min(1, c.gone) != c.gone {
			t.Errorf("%s: %.100s", c.query, got)
		}
		if n := g.Documents.Count("c"); n != int64(left) {
			t.Error(c.query, n)
		}
	}
}

// TestLargeDeletes: what one request takes away is bounded in bytes too, as others wait for it.
func TestLargeDeletes(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	text := strings.Repeat("x", 60_000)
	var ids []string
	for range 150 {
		var fields documents.Fields
		fields.Set("s", []byte(`"`+text+`"`))
		ids = append(ids, fmt.Sprintf("d%03d", len(ids)))
		if _, err := g.Documents.Insert(t.Context(), "c", "docs", []documents.New{{ID: ids[len(ids)-1], Fields: fields}}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "DELETE", "c/*", string(all)); got != `413 {"message":"the documents of one request would have more than 8388608 bytes; send them in several","code":"too_many_documents"}` {
		t.Error(got)
	}
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "DELETE", "c/*?q={}", ""); got != `413 {"message":"q asks for more than 1000 documents, or 8388608 bytes of them, the most that one request deletes; add max=1000, and repeat the request until its result is empty","code":"too_many_documents"}` {
		t.Error(got)
	}
	for _, want := range []int{139, 11, 0} {
		got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "DELETE", "c/*?q={}&max=1000", "")
		if n := strings.Count(got, `"d`); got[:3] != "200" || n != want {
			t.Errorf("%.100s: %d, want %d", got, n, want)
		}
	}
}
