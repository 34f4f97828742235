package restdb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// TestDocumentPermissions: who may do what.
func TestDocumentPermissions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	calls := []struct{ what, method, path, body string }{
		{"GET", "GET", "customer/1", ""}, {"GET", "HEAD", "customer", ""}, {"GET", "GET", "customer", ""},
		{"POST", "POST", "customer", `{}`}, {"PUT", "PUT", "customer/1", `{}`}, {"PUT", "PATCH", "customer/1", `{}`},
		{"DELETE", "DELETE", "customer/1", ""}, {"DELETE", "DELETE", "customer/*", `["1"]`},
		{"other", "GET", "other", ""}, {"other", "PUT", "other/1", `{}`}, {"other", "DELETE", "other/1", ""},
	}
	for key, may := range map[string]string{
		gatewaytest.KeyDocs: "GET POST PUT DELETE other", gatewaytest.KeyNone: "", gatewaytest.KeyReads: "GET", gatewaytest.KeyInserts: "POST", gatewaytest.KeyPuts: "PUT", gatewaytest.KeyDeletes: "DELETE", gatewaytest.KeyHome: "GET POST PUT DELETE other",
	} {
		for _, c := range calls {
			got, _ := g.RequestRest(t, key, c.method, c.path, c.body)
			allowed := slices.Contains(strings.Fields(may), c.what)
			if refused := strings.HasPrefix(got, "403"); refused == allowed {
				t.Errorf("%s %s %s: %s", key, c.method, c.path, got)
			}
		}
	}
	const cure = `{"message":"this credential may not PUT documents of \"customer\"; give it \"PUT:customer\" (\"rest\" of the key, \"rest\" in the token's \"realtime\")","code":"forbidden"}`
	if got, _ := g.RequestRest(t, gatewaytest.KeyReads, "PATCH", "customer/1", `{}`); got != "403 "+cure {
		t.Error(got)
	}
	g.RunAll(t, []scenario{
		{Name: "no key", Path: "/rest/customer", Key: "-", Status: 401, Has: []string{`"code":"missing_credential"`}, ResponseHeaders: map[string]string{"WWW-Authenticate": "Bearer"}},
		{Name: "a wrong key", Path: "/rest/customer", Key: "wrong", Status: 401, Has: []string{`"message":"`}},
		{Name: "a key in the query", Path: "/rest/customer?apikey=" + gatewaytest.KeyDocs, Key: "-", Status: 200, Has: []string{`[`}},
		{Name: "another origin", Path: "/rest/customer", Key: gatewaytest.KeyHome, Headers: map[string]string{"Origin": "https://b.example"}, Status: 403, Has: []string{`"code":"origin_not_allowed"`}},
		{Name: "the key's origin", Path: "/rest/customer", Key: gatewaytest.KeyHome, Headers: map[string]string{"Origin": "https://a.example"}, Status: 200},
	})
}

// TestDocumentRefusals: each with its status, its code and what to do instead.
func TestDocumentRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments, func(s *setup) {
		s.MaxDocument, s.MaxDocuments, s.MaxCollections, s.MaxResult = 2000, 12, 3, 6000
	})
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `{"_id":"1","n":1,"s":"x","list":[1],"o":{"n":1},"big":9223372036854775807}`)
	big := strings.Repeat("x", 2500)
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "c/2", "", `404 not_found: there is no such document`},
		{"PUT", "c/2", `{}`, `404 not_found: there is no such document: "2"`},
		{"PATCH", "c/2", `{}`, `404 not_found`},
		{"DELETE", "c/2", "", `404 not_found`},
		{"GET", "c.js", "", `404 not_found: there is no such collection: a collection's name has 1 to 128 characters: letters, digits, - and _; all answers are JSON, so leave out .js or .html`},
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
		{"POST", "c", `{"$inc":{"a":1}}`, `400 bad_document: field "$inc": names of fields must not begin with $`},
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
		{"PATCH", "c/1", `{"n":1,"$inc":{"n":1}}`, `400 bad_update: field "n" is both given and changed by an operator`},
		{"PUT", "c/1", `{"$inc":5}`, `400 bad_update: $inc takes an object of fields, such as {"$inc":{"count":1}}, not a number`},
		{"PUT", "c/1", `{"$inc":{"n":"1"}}`, `400 bad_update: $inc of "n" takes a number, not a string`},
		{"PUT", "c/1", `{"$inc":{"s":1}}`, `400 bad_update: $inc of "s" cannot change a string: it takes a field that holds a number, or none`},
		{"PUT", "c/1", `{"$inc":{"big":1}}`, `400 bad_update: $inc of "big" would leave the range of 64-bit integers`},
		{"PUT", "c/1", `{"$inc":{"n":99999999999999999999}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$mul":{"n":1.5e308,"o.n":1e308}}`, `200 `},
		{"PUT", "c/1", `{"$mul":{"n":1.5e308}}`, `400 bad_update: $mul of "n" would be too large for a number`},
		{"PUT", "c/1", `{"$inc":{"s.a":1}}`, `400 bad_update: $inc of "s.a" goes into a string, but only objects and lists have parts`},
		{"PUT", "c/1", `{"$set":{"list.5":1}}`, `400 bad_update: $set of "list.5" names element "5" of a list of 1`},
		{"PUT", "c/1", `{"$set":{"list.x":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"list.$":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"a..b":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"_version":1}}`, `400 bad_update: $set cannot change "_version": the gateway sets it`},
		{"PUT", "c/1", `{"$set":{"_id":"2"}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$rename":{"n":"_id"}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$rename":{"n":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$inc":{"n":1},"$set":{"n":1}}`, `400 bad_update: field "n" is changed by two operators`},
		{"PUT", "c/1", `{"$inc":{"o.n":1},"$set":{"o":1}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{"o":1},"$unset":{"o.n":1}}`, `400 bad_update: fields "o" and "o.n" are changed by operators`},
		{"PUT", "c/1", `{"$push":{"n":1}}`, `400 bad_update: $push of "n" cannot change a number: it takes a field that holds a list`},
		{"PUT", "c/1", `{"$push":{"list":{"$each":1}}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$push":{"list":{"$each":[1],"$slice":1}}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$push":{"list":{"$each":[` + strings.Repeat("1,", 1000) + `1]}}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$pop":{"list":2}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$pull":{"list":{"$frob":2}}}`, `400 bad_update: $pull of "list" there is no operator`},
		{"PUT", "c/1", `{"$pullAll":{"list":2}}`, `400 bad_update`},
		{"PUT", "c/1", `{"$set":{` + manyFields(101) + `}}`, `400 bad_update: the operators change more than 100 fields`},
		{"PUT", "c/1", `{"$set":{"s":"` + big + `"}}`, `413 document_too_large`},

		{"DELETE", "c/*", "", `400 bad_query: name the documents: with`},
		{"DELETE", "c/*?q=", "", `400 bad_query: name the documents: with`},
		{"DELETE", "c/*?q=%20", "", `400 bad_query: name the documents: with`},
		{"DELETE", "c/*?q=[]", "", `400 bad_query: name the documents: with`},
		{"DELETE", "c/*?filter=x", "", `400 bad_query: name the documents: with`},
		{"DELETE", `c/*?q={}&q={"n":1}`, "", `400 bad_query: q is given 2 times: send it once`},
		{"DELETE", "c/*?q={}", `["1"]`, `400 bad_query: name the documents once: with a JSON array of ids as the body, or with q`},
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
		{"GET", `c?max=1&max=2`, "", `400 bad_query: max is given 2 times: send it once`},
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
			got, _ = g.RequestRest(t, gatewaytest.KeyDocs, c.method, c.path, c.body)
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
	g := newGateway(t, gatewaytest.WithDocuments, func(s *setup) { s.MaxBody, s.ReadTimeout = 1000, 200*time.Millisecond })
	head := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	g.RunAll(t, []scenario{
		{Name: "another type", Path: "/rest/c", Key: gatewaytest.KeyDocs, Body: "{}", Headers: head("Content-Type", "text/plain"), Status: 415, Has: []string{`"code":"unsupported_media_type"`}},
		{Name: "none", Path: "/rest/c", Key: gatewaytest.KeyDocs, Body: "{}", Headers: head("Content-Type", ""), Status: 415},
		{Name: "another charset", Path: "/rest/c", Key: gatewaytest.KeyDocs, Body: "{}", Headers: head("Content-Type", "application/json; charset=latin1"), Status: 415},
		{Name: "jQuery's type", Path: "/rest/c", Key: gatewaytest.KeyDocs, Body: "{}", Headers: head("Content-Type", "application/json; charset=utf-8"), Status: 201},
		{Name: "compressed", Path: "/rest/c", Key: gatewaytest.KeyDocs, Body: "{}", Headers: head("Content-Encoding", "gzip"), Status: 415, Has: []string{`"code":"unsupported_encoding"`}},
		{Name: "too large", Path: "/rest/c", Key: gatewaytest.KeyDocs, Body: `{"a":"` + strings.Repeat("x", 1000) + `"}`, Status: 413, Has: []string{`"code":"body_too_large"`, "MAX_BODY"}},
		{Name: "no method", Method: "PUT", Path: "/rest/c", Key: gatewaytest.KeyDocs, Status: 405, Has: []string{`"message":"`}, ResponseHeaders: map[string]string{"Allow": "*any*"}},
		{Name: "preflight", Method: "OPTIONS", Path: "/rest/c/1", Key: "-", Headers: head("Origin", "https://a.example", "Access-Control-Request-Method", "PATCH",
			"Access-Control-Request-Headers", "cache-control,content-type,x-apikey"), Status: 204, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"}},
		{Name: "exposed", Path: "/rest/c", Key: gatewaytest.KeyDocs, Headers: head("Origin", "https://a.example"), Status: 200, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After, Idempotent-Replay, WWW-Authenticate, X-Request-Id, X-Pagination", "X-Pagination": "*any*"}},
		{Name: "no preflight", Method: "OPTIONS", Path: "/rest/c", Key: "-", Status: 204, ResponseHeaders: map[string]string{"Allow": "*any*"}},
		{Name: "errors too", Path: "/rest/c", Key: "-", Headers: head("Origin", "https://a.example"), Status: 401, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "*"}},
		{Name: "the API", Path: "/rest/_jsapi.js?plainjs=true", Key: "-", Status: 200, ResponseHeaders: map[string]string{"Content-Type": "text/javascript; charset=utf-8"}},
		{Name: "its page", Path: "/rest/_jsapi.doc", Key: "-", Status: 200, Has: []string{"db.chat.find"}, ResponseHeaders: map[string]string{"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "*any*"}},
	})
	if got := g.Raw(t, "POST /rest/c HTTP/1.1\r\nHost: x\r\nx-apikey: "+gatewaytest.KeyDocs+"\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", 5*time.Second); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, `"code":"body_timeout"`) {
		t.Error(got)
	}
}

// TestDocumentRate: each event that a change makes is charged.
func TestDocumentRate(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocsRate, "POST", "c", `[{"_id":"1"},{},{},{}]`); got[:3] != "201" { // a batch passes if anything is left
		t.Fatal(got)
	}
	for _, x := range []exchange{{"POST", "c", `{}`, ""}, {"PUT", "c/1", `{}`, ""}, {"PATCH", "c/1", `{}`, ""}, {"DELETE", "c/1", "", ""}, {"DELETE", "c/*?q={}", "", ""}} {
		got, head := g.RequestRest(t, gatewaytest.KeyDocsRate, x.method, x.path, x.body)
		if !strings.HasPrefix(got, `429 {"message":"this credential publishes faster`) || head.Get("Retry-After") == "" {
			t.Error(x, got)
		}
	}
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocsRate, "GET", "c/1", ""); got[:3] != "200" {
		t.Error(got)
	}
}

// TestDocumentDrain: changes end with the gateway, and are counted by their outcome until then.
func TestDocumentDrain(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `[{"_id":"1"},{}]`)
	g.RequestRest(t, gatewaytest.KeyDocs, "PUT", "c/1", `{}`)
	g.RequestRest(t, gatewaytest.KeyDocs, "PUT", "c/9", `{}`)
	if n := g.Traffic.Counts(); n.Events != 3 || n.Refused != 1 {
		t.Errorf("%+v", n)
	}
	if err := g.Traffic.Drain(t.Context(), g.Broker); err != nil {
		t.Fatal(err)
	}
	if got, head := g.RequestRest(t, gatewaytest.KeyDocs, "PUT", "c/1", `{}`); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, `"code":"draining"`) || head.Get("Retry-After") == "" {
		t.Error(got)
	}
}
