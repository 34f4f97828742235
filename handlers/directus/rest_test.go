package directus_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// itemCall is a request and its whole answer.
type itemCall struct {
	name, key, method, path, body string
	status                        int
	want                          string
}

// items sends a request, and wants its answer.
func (g *gateway) items(t *testing.T, c *itemCall) {
	t.Helper()
	r, err := http.NewRequest(c.method, g.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	switch c.key {
	case "-":
	case "":
		r.Header.Set("Authorization", "Bearer "+gatewaytest.KeyItems)
	default:
		r.Header.Set("Authorization", "Bearer "+c.key)
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
	if got := gatewaytest.Normalize(string(text)); answer.StatusCode != c.status || got != c.want {
		t.Errorf("%s: %d %s\nwant %d %s", c.name, answer.StatusCode, got, c.status, c.want)
	}
	kind := "application/json"
	if c.status == http.StatusNoContent {
		kind = ""
	}
	if got := answer.Header.Get("Content-Type"); got != kind {
		t.Errorf("%s: the type is %q, want %q", c.name, got, kind)
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.MaxDocument = 300 })
	const at = `,"date_created":"AT"}`
	one, two := `{"id":"1","text":"hi","n":1`+at, `{"id":"b","n":2`+at
	for _, c := range []itemCall{
		{"make with an id", "", "POST", "/items/messages", `{"id":1,"text":"hi","n":1,"date_created":"1999","_version":7}`, 200, `{"data":` + one + `}`},
		{"make several", "", "POST", "/items/messages", `[{"id":"b","n":2},{"n":3}]`, 200, `{"data":[` + two + `,{"id":"ID","n":3` + at + `]}`},
		{"make none", "", "POST", "/items/messages", `[]`, 200, `{"data":[]}`},
		{"make with fields", "", "POST", "/items/messages?fields=n", `{"n":4}`, 200, `{"data":{"n":4}}`},
		{"make again", "", "POST", "/items/messages", `{"id":"1"}`, 400, gatewaytest.Refusal("RECORD_NOT_UNIQUE", `the collection has a document with this id already: \"1\"`)},
		{"bad id", "", "POST", "/items/messages", `{"id":"a b"}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "an id has 1 to 128 characters: letters, digits, and . _ ~ -; it is a string, or a number")},
		{"no item", "", "POST", "/items/messages", `5`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "an item is a JSON object, not 5")},
		{"no item but null", "", "POST", "/items/messages", `null`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "an item is a JSON object, not null")},
		{"null among items", "", "POST", "/items/messages", `[null]`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "an item is a JSON object, not null")},
		{"no body", "", "POST", "/items/messages", ``, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "there is no body: send an item, or an array of them")},
		{"too large", "", "POST", "/items/messages", `{"text":"` + strings.Repeat("x", 300) + `"}`, 413, gatewaytest.Refusal("CONTENT_TOO_LARGE", "the document would have more than 300 bytes (MAX_DOCUMENT)")},
		{"bad query, nothing made", "", "POST", "/items/messages?limit=x", `{"id":"never"}`, 400, gatewaytest.Refusal("INVALID_QUERY", `limit is \"x\": it must be a whole number from -1 to 1000000000`)},

		{"read", "", "GET", "/items/messages/1", ``, 200, `{"data":` + one + `}`},
		{"read fields", "", "GET", "/items/messages/1?fields=text,id", ``, 200, `{"data":{"id":"1","text":"hi"}}`},
		{"read, and it is not what is asked for", "", "GET", `/items/messages/1?filter={"n":{"_gt":1}}`, ``, 403, gatewaytest.Refusal("FORBIDDEN", `there is no item \"1\", or it is not for you`)},
		{"read the head", "", "HEAD", "/items/messages/1", ``, 200, ""},
		{"list the head", "", "HEAD", "/items/messages", ``, 200, ""},
		{"read with escapes", "", "GET", "/items/%6Dessages/%31?fields=id", ``, 200, `{"data":{"id":"1"}}`},
		{"no such path", "", "GET", "/items/messages/1/2", ``, 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no GET /items/messages/1/2 here")},
		{"nor this", "", "GET", "/items/messages/1//", ``, 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no GET /items/messages/1/ here")},
		{"an id with a slash", "", "GET", "/items/messages/1%2F2", ``, 403, gatewaytest.Refusal("FORBIDDEN", `there is no item \"1/2\", or it is not for you`)},
		{"read none", "", "GET", "/items/messages/never", ``, 403, gatewaytest.Refusal("FORBIDDEN", `there is no item \"never\", or it is not for you`)},
		{"list", "", "GET", `/items/messages?filter={"n":{"_lt":3}}&sort=-n`, ``, 200, `{"data":[` + two + `,` + one + `]}`},
		{"list by hand", "", "GET", `/items/messages?filter[n][_in]=1,2&fields[]=n&fields[]=id&limit=1&page=2&sort=id`, ``, 200, `{"data":[{"id":"b","n":2}]}`},
		{"list by no condition", "", "GET", `/items/messages?filter={"_and":[]}&fields=n&limit=1&sort=-n`, ``, 200, `{"data":[{"n":4}]}`},
		{"list by id and time", "", "GET", `/items/messages?filter={"id":{"_eq":"b"},"date_created":{"_gt":"$NOW(-1%20hour)"}}&fields=date_created`, ``, 200, `{"data":[{"date_created":"AT"}]}`},
		{"counts", "", "GET", `/items/messages?filter={"n":{"_lt":3}}&limit=0&meta=*`, ``, 200, `{"data":[],"meta":{"total_count":4,"filter_count":2}}`},
		{"search", "", "SEARCH", "/items/messages", `{"query":{"filter":{"n":{"_eq":2}},"fields":["n"],"meta":"filter_count"}}`, 200, `{"data":[{"n":2}],"meta":{"filter_count":1}}`},
		{"search by ids", "", "SEARCH", "/items/messages", `{"keys":["b",1,"never"],"query":{"fields":"n"}}`, 200, `{"data":[{"n":2},{"n":1}]}`},
		{"an empty collection", "", "GET", "/items/nothing", ``, 200, `{"data":[]}`},

		{"change", "", "PATCH", "/items/messages/1", `{"text":"ho","id":"x","more":null}`, 200, `{"data":{"id":"1","text":"ho","n":1,"more":null` + at + `}`},
		{"change none", "", "PATCH", "/items/messages/never", `{}`, 403, gatewaytest.Refusal("FORBIDDEN", `there is no such document: \"never\"`)},
		{"change by ids", "", "PATCH", "/items/messages?fields=id,k", `{"keys":[1,"b","1"],"data":{"k":1}}`, 200, `{"data":[{"id":"1","k":1},{"id":"b","k":1}]}`},
		{"change by ids, one is not there", "", "PATCH", "/items/messages", `{"keys":[1,"never"],"data":{"k":2}}`, 403, gatewaytest.Refusal("FORBIDDEN", `there is no such document: \"never\"`)},
		{"change by a query", "", "PATCH", "/items/messages?fields=id,k", `{"query":{"filter":{"k":{"_eq":1}},"limit":1},"data":{"k":3}}`, 200, `{"data":[{"id":"1","k":3}]}`},
		{"change each", "", "PATCH", "/items/messages?fields=id,k", `[{"id":"b","k":5},{"id":"1","k":6}]`, 200, `{"data":[{"id":"b","k":5},{"id":"1","k":6}]}`},
		{"change each without its id", "", "PATCH", "/items/messages", `[{"k":5}]`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "item 0 has no id")},
		{"change each twice", "", "PATCH", "/items/messages", `[{"id":1},{"id":"1"}]`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `item \"1\" is given twice`)},
		{"change with a field twice", "", "PATCH", "/items/messages", `{"keys":["1"],"keys":["b"],"data":{"k":7}}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `it is not JSON: duplicate object member name \"keys\"`)},
		{"change without what", "", "PATCH", "/items/messages", `{"keys":["1"]}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "an item is a JSON object, not nothing")},
		{"change what", "", "PATCH", "/items/messages", `{"k":5}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body must be {\"keys\":[…],\"data\":{…}}, {\"query\":{…},\"data\":{…}} or an array of items with their ids`)},

		{"who may not read gets no document", gatewaytest.KeyWriter, "POST", "/items/messages", `{"id":"w"}`, 204, ""},
		{"nor after a change", gatewaytest.KeyWriter, "PATCH", "/items/messages/w", `{"n":9}`, 204, ""},
		{"nor by a query", gatewaytest.KeyWriter, "DELETE", "/items/messages", `{"query":{}}`, 403, gatewaytest.Refusal("FORBIDDEN", `this credential has no permission GET:messages (in its \"rest\")`)},
		{"no permission to read", gatewaytest.KeyWriter, "GET", "/items/messages", ``, 403, gatewaytest.Refusal("FORBIDDEN", `this credential has no permission GET:messages (in its \"rest\")`)},
		{"no permission to write", gatewaytest.KeyReader, "POST", "/items/messages", `{}`, 403, gatewaytest.Refusal("FORBIDDEN", `this credential has no permission POST:messages (in its \"rest\")`)},
		{"no permission to change", gatewaytest.KeyReader, "PATCH", "/items/messages/1", `{}`, 403, gatewaytest.Refusal("FORBIDDEN", `this credential has no permission PATCH:messages (in its \"rest\")`)},
		{"nobody", "-", "GET", "/items/messages", ``, 403, gatewaytest.Refusal("FORBIDDEN", "no credential: send an API key or a token as Authorization: Bearer")},
		{"unknown key", "nope", "GET", "/items/messages", ``, 401, gatewaytest.Refusal("INVALID_CREDENTIALS", "this API key is not known here")},
		{"system", "", "GET", "/items/directus_users", ``, 403, gatewaytest.Refusal("FORBIDDEN", `there are no system collections here: \"directus_users\"`)},
		{"bad name", "", "GET", "/items/a.b", ``, 403, gatewaytest.Refusal("FORBIDDEN", "a collection's name has 1 to 128 characters: letters, digits, - and _")},
		{"over the rate", "key-slow-0123456789", "POST", "/items/messages", `[{"id":"s1"},{"id":"s2"},{"id":"s3"}]`, 200, `{"data":[{"id":"s1"` + at + `,{"id":"s2"` + at + `,{"id":"s3"` + at + `]}`},
		{"over the rate now", "key-slow-0123456789", "POST", "/items/messages", `{}`, 429, gatewaytest.Refusal("REQUESTS_EXCEEDED", "this key changes items faster than its rate allows; slow down")},

		{"remove", "", "DELETE", "/items/messages/1", ``, 204, ""},
		{"remove again", "", "DELETE", "/items/messages/1", ``, 403, gatewaytest.Refusal("FORBIDDEN", `there is no such document: \"1\"`)},
		{"remove by ids", "", "DELETE", "/items/messages", `["s1"]`, 204, ""},
		{"remove by keys", "", "DELETE", "/items/messages", `{"keys":["s2"]}`, 204, ""},
		{"remove what", "", "DELETE", "/items/messages", `{}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body must be {\"keys\":[…]}, {\"query\":{…}} or an array of ids`)},
		{"what is left", "", "GET", "/items/messages?fields=id&sort=-id&limit=3", ``, 200, `{"data":[{"id":"w"},{"id":"s3"},{"id":"b"}]}`},
		{"remove by a query", "", "DELETE", "/items/messages", `{"query":{"filter":{"id":{"_in":["w","b"]}}}}`, 204, ""},
		{"remove all", "", "DELETE", "/items/messages", `{"query":{}}`, 204, ""},
		{"nothing is left", "", "GET", "/items/messages", ``, 200, `{"data":[]}`},

		{"no route", "", "GET", "/items", ``, 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no GET /items here")},
		{"no such method", "", "PUT", "/items/a", ``, 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no PUT /items/a here")},
		{"no JSON", "", "POST", "/items/messages", `{`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", "it is not JSON: it ends at byte 1, where a name in double quotes, or } was expected")},
	} {
		g.items(t, &c)
	}
}

// TestItemsBounds: what one request changes is bounded, and a query that selects more changes nothing.
func TestItemsBounds(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	thousand := "[{}" + strings.Repeat(",{}", 999) + "]"
	for _, c := range []itemCall{
		{"1,001", "", "POST", "/items/m", "[{}" + strings.Repeat(",{}", 1000) + "]", 413, gatewaytest.Refusal("CONTENT_TOO_LARGE", "one request changes at most 1000 items, not 1001: send several")},
		{"1,000", "", "POST", "/items/m?fields=none", thousand, 200, `{"data":[{}` + strings.Repeat(",{}", 999) + "]}"},
		{"one more", "", "POST", "/items/m?fields=none", `{}`, 200, `{"data":{}}`},
		{"change all", "", "PATCH", "/items/m", `{"query":{},"data":{"a":1}}`, 400, gatewaytest.Refusal("INVALID_QUERY", "the query selects more than 1000 items, the most that one request changes: give it a limit, and repeat the request until nothing is left")},
		{"none changed", "", "GET", "/items/m?meta=filter_count&limit=0&filter[a][_nnull]=true", "", 200, `{"data":[],"meta":{"filter_count":0}}`},
		{"remove all", "", "DELETE", "/items/m", `{"query":{"limit":-1}}`, 400, gatewaytest.Refusal("INVALID_QUERY", "the query selects more than 1000 items, the most that one request changes: give it a limit, and repeat the request until nothing is left")},
		{"remove 1,000", "", "DELETE", "/items/m", `{"query":{"limit":1000}}`, 204, ""},
		{"remove the rest", "", "DELETE", "/items/m", `{"query":{}}`, 204, ""},
		{"none are left", "", "GET", "/items/m", "", 200, `{"data":[]}`},
		{"too many ids", "", "DELETE", "/items/m", "[1" + strings.Repeat(",1", 1000) + "]", 400, gatewaytest.Refusal("INVALID_PAYLOAD", "there are 1001 ids: at most 1000 are allowed, send several requests")},
	} {
		g.items(t, &c)
	}
}

func TestItemsSessions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems)
	g.AddUser(t, "ann@example.com", "s3cret-s3cret")
	for _, c := range []itemCall{
		{"wrong password", "-", "POST", "/auth/login", `{"email":"ann@example.com","password":"nope"}`, 401, gatewaytest.Refusal("INVALID_CREDENTIALS", "the email or the password is wrong, or the session has ended; sign in again")},
		{"no password", "-", "POST", "/auth/login", `{"email":"ann@example.com"}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body has no \"password\": it must be {\"email\":…,\"password\":…}`)},
		{"an empty password", "-", "POST", "/auth/login", `{"email":"ann@example.com","password":""}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body has no \"password\": it must be {\"email\":…,\"password\":…}`)},
		{"no email", "-", "POST", "/auth/login", `{"password":"s3cret-s3cret"}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body has no \"email\": it must be {\"email\":…,\"password\":…}`)},
		{"an empty email", "-", "POST", "/auth/login", `{"email":" ","password":"s3cret-s3cret"}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body has no \"email\": it must be {\"email\":…,\"password\":…}`)},
		{"no body", "-", "POST", "/auth/login", ``, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body has no \"email\": it must be {\"email\":…,\"password\":…}`)},
		{"nobody is who", "-", "GET", "/users/me", "", 401, gatewaytest.Refusal("INVALID_CREDENTIALS", "no credential: send an API key or a token as Authorization: Bearer")},
		{"a wrong key is who", "nope", "GET", "/users/me", "", 401, gatewaytest.Refusal("INVALID_CREDENTIALS", "this API key is not known here")},
		{"a key is who", "", "GET", "/users/me", "", 200, `{"data":{"id":"all","first_name":"all"}}`},
		{"some of who", "", "GET", "/users/me?fields=id", "", 200, `{"data":{"id":"all"}}`},
		{"the head of who", "", "HEAD", "/users/me", "", 200, ""},
		{"no users", "", "GET", "/users", "", 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no GET /users here")},
		{"who does not change", "", "PATCH", "/users/me", "{}", 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no PATCH /users/me here")},
		{"no info of the server", "", "GET", "/server/info", "", 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no GET /server/info here")},
		{"cookies", "-", "POST", "/auth/login", `{"email":"ann@example.com","password":"s3cret-s3cret","mode":"cookie"}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `mode \"cookie\" is not supported, as the gateway sets no cookies: use \"json\", in the SDK authentication(\"json\")`)},
		{"bad refresh", "-", "POST", "/auth/refresh", `{"mode":"json","refresh_token":"x"}`, 401, gatewaytest.Refusal("INVALID_CREDENTIALS", "the email or the password is wrong, or the session has ended; sign in again")},
		{"no refresh", "-", "POST", "/auth/refresh", `{"mode":"json"}`, 400, gatewaytest.Refusal("INVALID_PAYLOAD", `the body must have the \"refresh_token\"`)},
		{"unknown logout", "-", "POST", "/auth/logout", `{"refresh_token":"x"}`, 204, ""},
		{"nothing else", "-", "GET", "/auth/login", "", 404, gatewaytest.Refusal("ROUTE_NOT_FOUND", "there is no GET /auth/login here")},
	} {
		g.items(t, &c)
	}
	post := func(path, body string, status int) (access, refresh string) {
		t.Helper()
		text := g.Post(t, path, body, status)
		m := regexp.MustCompile(`^{"data":{"access_token":"([^"]+)","expires":900000,"refresh_token":"([^"]+)"}}\n$`).FindStringSubmatch(text)
		if m == nil && status == 200 {
			t.Fatalf("%s: %s", path, text)
		}
		if m == nil {
			return "", ""
		}
		return m[1], m[2]
	}
	access, first := post("/auth/login", `{"email":"Ann@example.com","password":"s3cret-s3cret","mode":"json","otp":"1"}`, 200)
	g.items(t, &itemCall{"as a user", access, "POST", "/items/messages?fields=n", `{"n":1}`, 200, `{"data":{"n":1}}`})
	me := regexp.MustCompile(`^{"data":{"id":"[^"@]+","email":"ann@example.com"}}$`)
	if text := g.getAs(t, access, "/users/me?fields=id,email"); !me.MatchString(text) {
		t.Errorf("the user is %s", text)
	}
	if text := g.getAs(t, "", "/server/ping"); text != "pong" {
		t.Errorf("the ping is answered with %s", text)
	}
	_, second := post("/auth/refresh", `{"mode":"json","refresh_token":"`+first+`"}`, 200)
	post("/auth/refresh", `{"refresh_token":"`+first+`"}`, 401)
	post("/auth/logout", `{"mode":"json","refresh_token":"`+second+`"}`, 204)
	post("/auth/refresh", `{"refresh_token":"`+second+`"}`, 401)
}

// getAs gets an address with a bearer's credential, if any, and returns the answer's body.
func (g *gateway) getAs(t *testing.T, token, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, g.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, answer.Status, err)
	}
	return strings.TrimSpace(string(text))
}

// TestItemsBrowsers: pages of other origins, and bodies that do not come.
func TestItemsBrowsers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithItems, func(s *setup) { s.ReadTimeout = 50 * time.Millisecond; s.MaxBody = 1000 })
	preflight := func(path, method string) scenario {
		return scenario{Name: path, Method: "OPTIONS", Path: path, Key: "-", Headers: map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": method}, Status: 204}
	}
	items, auth := preflight("/items/messages/1", "PATCH"), preflight("/auth/login", "POST")
	items.ResponseHeaders = map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, SEARCH"}
	auth.ResponseHeaders = map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST"}
	g.RunAll(t, []scenario{
		items, auth,
		{Name: "an error can be read", Path: "/items/messages", Key: "nope", Status: 401, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "*", "WWW-Authenticate": "Bearer"}},
		{Name: "its page", Path: "/items/messages", Key: "key-page-0123456789", Headers: map[string]string{"Origin": "https://a.example"}, Status: 200},
		{Name: "another's page", Path: "/items/messages", Key: "key-page-0123456789", Headers: map[string]string{"Origin": "https://b.example"}, Status: 403, Has: []string{`"code":"FORBIDDEN"`}},
		{Name: "bad filter", Path: `/items/messages?filter={"n":{"_is":1}}`, Key: gatewaytest.KeyItems, Status: 400, Has: []string{`"code":"INVALID_QUERY"`, "_is"}},
		{Name: "too large a body", Path: "/items/messages", Key: gatewaytest.KeyItems, Body: `{"a":"` + strings.Repeat("x", 1000) + `"}`, Status: 413, Has: []string{`"code":"CONTENT_TOO_LARGE"`, "MAX_BODY"}},
		{Name: "packed", Path: "/items/messages", Key: gatewaytest.KeyItems, Body: `{}`, Headers: map[string]string{"Content-Encoding": "gzip"}, Status: 415},
	})
	got := g.Raw(t, "POST /items/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+gatewaytest.KeyItems+"\r\nContent-Length: 10\r\n\r\n{", 5*time.Second)
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "READ_TIMEOUT") {
		t.Error(got)
	}
}
