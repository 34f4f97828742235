package restdb_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

const form = "application/x-www-form-urlencoded"

// TestDocumentForms: a form is a document of strings, and JSON is JSON although curl calls it a form.
func TestDocumentForms(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	for _, c := range []struct{ method, path, kind, body, want string }{
		{"POST", "c", form, `_id=1&name=Ann+Lee&tags=a&tags=b`, `201 {"_id":"1","name":"Ann Lee","tags":["a","b"],` + metas + `}`},
		{"POST", "c", form + "; charset=UTF-8", `_id=2&at[city]=Oslo`, `201 {"_id":"2","at":{"city":"Oslo"},` + metas + `}`},
		{"PUT", "c/1", form, `name=Eve`, `200 {"_id":"1","name":"Eve","tags":["a","b"]}`},
		{"POST", "c", form, ` {"_id":"3","n":1}`, `201 {"_id":"3","n":1,` + metas + `}`},
		{"PATCH", "c/3", form, `{"$inc":{"n":1}}`, `200 {"_id":"3","n":2}`},
		{"DELETE", "c/*", form, `["3"]`, `200 {"result":["3"]}`},
		{"DELETE", "c/*", form, `id=1`, `400 {"message":"the body must be a JSON array of ids","code":"bad_json"}`},
		{"POST", "c", form, `{a:1}`, `415 {"message":"send documents as Content-Type: application/json, or a form of fields`},
		{"POST", "c", form, `$inc=1`, `400 {"message":"field \"$inc\": names of fields must not begin with $","code":"bad_document"}`},
		{"POST", "c", form, `_id=a/b`, `400 {"message":"`},
		{"POST", "c", form + "; charset=latin1", `a=1`, `415 {"message":"`},
		{"POST", "c", "multipart/form-data; boundary=x", `a=1`, `415 {"message":"`},
	} {
		if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, c.method, c.path, c.body, "Content-Type", c.kind); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s %s\n got %s\nwant %s", c.method, c.path, c.body, got, c.want)
		}
	}
	// A page may send a form without being asked first, and only that.
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `_id=page`, "Content-Type", form, "Origin", "https://a.example"); !strings.HasPrefix(got, `201 {"_id":"page"`) {
		t.Error(got)
	}
	if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "c", `{"_id":"page2"}`, "Content-Type", form, "Origin", "https://a.example"); !strings.HasPrefix(got, "415 ") {
		t.Error(got)
	}
	const chunked = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-apikey: " + gatewaytest.KeyDocs + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	for line, want := range map[string]string{ // no byte of body is no body, of whatever type
		"DELETE /rest/c/*?q={%22_id%22:%222%22}": `{"result":["2"]}`,
		"GET /rest/c/1":                          `{"_id":"1","name":"Eve"`,
		"POST /rest/c":                           `a document is a JSON object`,
	} {
		if got := g.Raw(t, line+chunked, 5*time.Second); !strings.Contains(got, want) {
			t.Errorf("%s: %s", line, got)
		}
	}
}

// TestMethodOverride: a POST may stand for PUT, PATCH and DELETE, with what these need, and for nothing else.
func TestMethodOverride(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	g.RequestRest(t, gatewaytest.KeyDocs, "POST", "customer", `[{"_id":"1","n":1,"s":"x"},{"_id":"2"}]`)
	const header = "X-HTTP-Method-Override"
	for _, c := range []struct{ key, method, path, override, body, want string }{
		{gatewaytest.KeyDocs, "POST", "customer/1", "PUT", `{"n":2}`, `200 {"_id":"1","n":2,"s":"x"}`},
		{gatewaytest.KeyDocs, "POST", "customer/1", " patch ", `{"$inc":{"n":1}}`, `200 {"_id":"1","n":3,"s":"x"}`},
		{gatewaytest.KeyPuts, "POST", "customer/1", "PATCH", `{"n":4}`, `200 {"_id":"1"}`},
		{gatewaytest.KeyInserts, "POST", "customer/1", "PUT", `{"n":5}`, `403 {"message":"this credential may not PUT documents of \"customer\"`},
		{gatewaytest.KeyInserts, "POST", "customer/1", "DELETE", ``, `403 {"message":"this credential may not DELETE documents`},
		{gatewaytest.KeyDeletes, "POST", "customer/2", "DELETE", ``, `200 {"result":["2"]}`},
		{gatewaytest.KeyDeletes, "POST", "customer/*", "DELETE", `["2"]`, `200 {"result":[]}`},
		{gatewaytest.KeyDocs, "POST", "customer/1", "", `{}`, `405 {"message":"`},
		{gatewaytest.KeyDocs, "POST", "customer/1", "POST", `{}`, `405 {"message":"`},
		{gatewaytest.KeyDocs, "POST", "customer", "PUT", `{}`, `405 {"message":"`},
		{gatewaytest.KeyDocs, "POST", "customer", "DELETE", `{}`, `405 {"message":"`},
		{gatewaytest.KeyDocs, "POST", "customer", "post", `{"_id":"3"}`, `201 {"_id":"3",`},
		{gatewaytest.KeyDocs, "POST", "customer", "GET", `{"_id":"4"}`, `400 {"message":"X-HTTP-Method-Override of a POST is \"GET\": it is PUT, PATCH or DELETE","code":"bad_parameter"}`},
		{gatewaytest.KeyDocs, "POST", "customer/1", "PUT, DELETE", `{}`, `400 {"message":"`},
		{gatewaytest.KeyDocs, "GET", "customer/1", "DELETE", ``, `200 {"_id":"1","n":4,"s":"x"}`},
		{gatewaytest.KeyDocs, "PUT", "customer/1", "DELETE", `{}`, `200 {"_id":"1","n":4,"s":"x"}`},
		{gatewaytest.KeyDocs, "GET", "customer", "", ``, `200 [{"_id":"1","n":4,"s":"x"},{"_id":"3"}]`},
	} {
		if got, _ := g.RequestRest(t, c.key, c.method, c.path, c.body, header, c.override); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s as %q %s\n got %s\nwant %s", c.method, c.path, c.override, c.body, got, c.want)
		}
	}
	_, head := g.RequestRest(t, gatewaytest.KeyDocs, "POST", "customer/1", `{}`)
	if got := head.Get("Allow"); got != "OPTIONS, DELETE, GET, HEAD, PATCH, PUT" {
		t.Errorf("Allow: %s", got)
	}
	g.RunAll(t, []scenario{{Name: "preflight", Method: "OPTIONS", Path: "/rest/c/1", Key: "-", Status: 204,
		Headers:         map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-apikey,x-http-method-override"},
		ResponseHeaders: map[string]string{"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control, X-HTTP-Method-Override"}}})
}

// TestTrailingSlash: a path with a slash behind it is the same path at every door, and one that ends in an encoded slash
// is not.
func TestTrailingSlash(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDocuments)
	for _, x := range []exchange{
		{"POST", "c/", `{"_id":"1"}`, `201 {"_id":"1",` + metas + `}`},
		{"GET", "c/?q={}", "", `200 [{"_id":"1"}]`},
		{"GET", "c/1/", "", `200 {"_id":"1"}`},
		{"PUT", "c/1/", `{"n":1}`, `200 {"_id":"1","n":1}`},
		{"HEAD", "c/1/", "", `200 `},
		{"GET", "c//", "", `404 {"message":"`},
		{"GET", "c/1%2F", "", `404 {"message":"there is no such document: \"1/\"","code":"not_found"}`},
		{"GET", "c/1%2F/", "", `404 {"message":"there is no such document: \"1/\"","code":"not_found"}`},
		{"DELETE", "c/*/?q={}", "", `200 {"result":["1"]}`},
	} {
		if got, _ := g.RequestRest(t, gatewaytest.KeyDocs, x.method, x.path, x.body); !strings.HasPrefix(got, x.want) {
			t.Errorf("%s %s: %s", x.method, x.path, got)
		}
	}
	status := func(method, path string) int {
		t.Helper()
		r, err := http.NewRequest(method, g.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	for _, c := range []struct{ method, path string }{
		{"GET", "/healthz"}, {"GET", "/readyz"}, {"GET", "/items/c"}, {"POST", "/auth/login"}, {"GET", "/db"}, {"DELETE", "/db/demo"}, {"PUT", "/db/demo/ns/x"},
		{"GET", "/db/demo/ns"}, {"GET", "/db/demo/ns//streams"}, {"GET", "/db/demo/ns//streams/s/annotation"}, {"POST", "/events"}, {"GET", "/admin/keys"}, {"POST", "/new"},
		{"GET", "/room/abcdefghij"}, {"POST", "/realtime"}, {"POST", "/realtime/token"}, {"GET", "/websocket"}, {"GET", "/nothing"},
	} {
		if bare, slashed := status(c.method, c.path), status(c.method, c.path+"/"); bare != slashed || bare == 404 && c.path != "/nothing" && !strings.HasPrefix(c.path, "/room") {
			t.Errorf("%s %s is %d, with a slash %d", c.method, c.path, bare, slashed)
		}
	}
	if got := status("GET", "/"); got != 200 {
		t.Errorf("/ is %d", got)
	}
	for _, path := range []string{"/db/demo/ns//", "/ui/", "//"} {
		if got := status("DELETE", path); got != 404 && got != 405 {
			t.Errorf("%s is %d", path, got)
		}
	}
}
