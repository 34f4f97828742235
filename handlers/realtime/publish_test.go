package realtime_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sluice/auth"
	"sluice/auth/grant"
	"sluice/gateway/gatewaytest"
)

const ok1 = `{"message":"OK","id":"`

// Each row of the contract's table of refusals.
func TestPublishRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	good := `{"event":"goal"}`
	event := func(fields string) string { return `{"event":"goal",` + fields + `}` }
	deep := func(n int) string {
		return event(`"data":` + strings.Repeat("[", n) + strings.Repeat("]", n))
	}
	many := "[" + strings.Repeat(good+",", 1000) + good + "]"
	large := func(n int) string { return event(`"data":"` + strings.Repeat("x", n) + `"`) }
	overhead := len(`{"event":"goal","data":""}`)
	head := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	g.RunAll(t, []scenario{
		{Name: "method", Method: "PUT", Status: 405, ResponseHeaders: map[string]string{"Allow": "*any*"}, Has: []string{`"code":"method_not_allowed"`}},
		{Name: "unreadable query", Path: "?x=%zz", Body: good, Key: "-", Status: 400, Has: []string{`"bad_query"`}},
		{Name: "two values in one carrier", Path: "?apikey=a&rt-apikey=b", Body: good, Key: "-", Status: 400, Has: []string{`"ambiguous_credential"`}},
		{Name: "no credential", Body: good, Key: "-", Status: 401, ResponseHeaders: map[string]string{"WWW-Authenticate": "Bearer"}, Has: []string{`"missing_credential"`}},
		{Name: "bad credential", Body: good, Key: "wrong", Status: 401, Has: []string{`"invalid_key"`}, HasNot: []string{"wrong"}},
		{Name: "bad beside good", Path: "?apikey=wrong", Body: good, Status: 401},
		{Name: "expired key", Key: gatewaytest.KeyExpired, Body: good, Status: 401, Has: []string{`"expired_key"`}},
		{Name: "no credential before a bad body", Body: "{", Key: "-", Status: 401, Headers: head("Content-Type", "text/plain")},
		{Name: "origin", Key: gatewaytest.KeyOrigin, Body: "{", Headers: head("Origin", "https://b.example", "Content-Type", "text/plain"), Status: 403, Has: []string{`"origin_not_allowed"`}},
		{Name: "its origin", Key: gatewaytest.KeyOrigin, Body: good, Headers: head("Origin", "https://a.example"), Status: 200},
		{Name: "no origin", Key: gatewaytest.KeyOrigin, Body: good, Status: 200},
		{Name: "no type", Body: "{", Headers: head("Content-Type", ""), Status: 415},
		{Name: "another type", Body: "{", Headers: head("Content-Type", "text/plain"), Status: 415, Has: []string{"application/json", "application/x-ndjson"}},
		{Name: "another charset", Body: good, Headers: head("Content-Type", "application/json; charset=latin1"), Status: 415, Has: []string{"utf-8"}},
		{Name: "utf-8", Body: good, Headers: head("Content-Type", `Application/JSON; charset="UTF-8"`), Status: 200, Has: []string{ok1}},
		{Name: "encoding", Body: good, Headers: head("Content-Encoding", "gzip"), Status: 415, Has: []string{`"unsupported_encoding"`, "application/json"}},
		{Name: "body too large", Body: `"` + strings.Repeat("x", 1<<20) + `"`, Status: 413, Has: []string{`"body_too_large"`}},
		{Name: "no body", Method: "POST", Status: 400, Has: []string{`"bad_json"`}},
		{Name: "no json", Body: "{", Status: 400, Has: []string{`"bad_json"`}},
		{Name: "trailing garbage", Body: good + "x", Status: 400},
		{Name: "two values", Body: good + good, Status: 400},
		{Name: "invalid utf-8", Body: event("\"data\":\"\xff\""), Status: 400, Has: []string{"UTF-8"}},
		{Name: "byte order mark", Body: "\ufeff" + good, Status: 400},
		{Name: "depth 65", Body: deep(64), Status: 400, Has: []string{`\"data\" nests`}},
		{Name: "depth 64", Body: deep(63), Status: 200},
		{Name: "depth bomb", Body: deep(100_000), Status: 400},
		{Name: "missing field", Body: `{"data":1}`, Status: 400, Has: []string{`\"event\" is missing`}},
		{Name: "repeated field", Body: `{"event":"a","event":"b"}`, Status: 400, Has: []string{`\"event\" is given twice`}},
		{Name: "repeated by escape", Body: `{"event":"a","\u0065vent":"b"}`, Status: 400, Has: []string{"twice"}},
		{Name: "wrong type", Body: `{"event":1}`, Status: 400, Has: []string{`\"event\" must be a string`}},
		{Name: "null collection", Body: event(`"collection":null`), Status: 400},
		{Name: "no object", Body: `"goal"`, Status: 400},
		{Name: "unknown field", Body: event(`"datum":1`), Status: 400, Has: []string{`\"datum\" is unknown`}},
		{Name: "other case", Body: `{"Event":"goal"}`, Status: 400},
		{Name: "empty name", Body: `{"event":""}`, Status: 400},
		{Name: "long name", Body: `{"event":"` + strings.Repeat("x", 129) + `"}`, Status: 400, Has: []string{"128"}},
		{Name: "longest name", Body: `{"event":"` + strings.Repeat("x", 128) + `"}`, Status: 200},
		{Name: "control character", Body: `{"event":"a\nb"}`, Status: 400, Has: []string{"U+000A"}},
		{Name: "next line", Body: `{"event":"a\u0085b"}`, Status: 400},
		{Name: "line separator", Body: `{"event":"a\u2028b"}`, Status: 400},
		{Name: "NUL", Body: `{"event":"a\u0000"}`, Status: 400},
		{Name: "half a surrogate pair", Body: `{"event":"a\ud800"}`, Status: 400},
		{Name: "white space", Body: `{"event":" a"}`, Status: 400},
		{Name: "colon", Body: `{"event":"a:b"}`, Status: 400},
		{Name: "bad collection", Body: event(`"collection":"a*"`), Status: 400, Has: []string{`\"collection\"`}},
		{Name: "bad stream", Body: event(`"stream":"a,b"`), Status: 400, Has: []string{`\"stream\"`}},
		{Name: "reserved", Body: `{"event":"ping"}`, Status: 400, Has: []string{"reserved"}},
		{Name: "reserved dollar", Body: `{"event":"$x"}`, Status: 400},
		{Name: "reserved in other case is not", Body: `{"event":"Ping"}`, Status: 200},
		{Name: "method without collection", Body: `{"event":"PATCH"}`, Status: 400, Has: []string{`\"collection\" is missing`}},
		{Name: "no space", Body: event(`"space":"$room/x"`), Status: 400, Has: []string{`\"space\"`}},
		{Name: "bad space", Body: event(`"space":"$db/a/b"`), Status: 400, Has: []string{`\"space\"`}},
		{Name: "space not granted", Body: event(`"space":"$db/x"`), Status: 403, Has: []string{`$db/x:goal`}},
		{Name: "collection in a space", Body: event(`"space":"$db/x","collection":"c"`), Status: 400, Has: []string{`\"collection\"`}},
		{Name: "method in a space", Body: `{"event":"put","space":"$db/x"}`, Status: 400, Has: []string{`%70ut`}},
		{Name: "except of nobody", Body: event(`"except":"` + strings.Repeat("A", 22) + `"`), Status: 200, Has: []string{ok1}},
		{Name: "except no text", Body: event(`"except":7`), Status: 400, Has: []string{`\"except\" must be a string`}},
		{Name: "except no connection", Body: event(`"except":"me"`), Status: 400, Has: []string{`"bad_event"`, `\"except\" is no connection`}},
		{Name: "except too long", Body: event(`"except":"` + strings.Repeat("A", 23) + `"`), Status: 400},
		{Name: "except no base64", Body: event(`"except":"` + strings.Repeat("A", 21) + `+"`), Status: 400},
		{Name: "except twice", Body: event(`"except":"` + strings.Repeat("A", 22) + `","except":"` + strings.Repeat("A", 22) + `"`), Status: 400, Has: []string{"twice"}},
		{Name: "except in a space", Body: event(`"space":"$db/x","except":"` + strings.Repeat("A", 22) + `"`), Status: 400, Has: []string{`\"except\" cannot be combined`}},
		{Name: "empty batch", Body: `[]`, Status: 400, Has: []string{`"empty_batch"`}},
		{Name: "index", Body: `[` + good + `,{"event":""}]`, Status: 400, Has: []string{"event 1: "}},
		{Name: "array in array", Body: `[[` + good + `]]`, Status: 400},
		{Name: "form before size", Body: "[" + large(70_000) + `,{"event":""}]`, Status: 400},
		{Name: "event too large", Body: large(64<<10 - overhead + 1), Status: 413, Has: []string{`"event_too_large"`}},
		{Name: "largest event", Body: large(64<<10 - overhead), Status: 200},
		{Name: "white space does not count", Body: strings.Replace(large(64<<10-overhead), ":", ":  ", 2), Status: 200},
		{Name: "too many", Body: many, Status: 413, Has: []string{`"too_many_events"`}},
		{Name: "a thousand", Body: strings.Replace(many, good+",", "", 1), Status: 200, Has: []string{`"ids":["`}},
		{Name: "no grant at all", Key: gatewaytest.KeyNone, Body: good, Status: 403, Has: []string{`"forbidden"`}},
		{Name: "grant of another channel", Key: gatewaytest.KeyPut, Body: `{"event":"put","collection":"company"}`, Status: 403, Has: []string{"PUT:company"}},
		{Name: "its grant, as patch", Key: gatewaytest.KeyPut, Body: `{"event":"PaTcH","collection":"customer"}`, Status: 200},
		{Name: "one of a batch", Key: gatewaytest.KeyPut, Body: `[{"event":"put","collection":"customer"},` + good + `]`, Status: 403, Has: []string{"event 1"}},
		{Name: "permission before size of key", Key: gatewaytest.KeyNone, Body: good, Headers: head("Idempotency-Key", strings.Repeat("x", 129)), Status: 403},
		{Name: "idempotency key too long", Body: good, Headers: head("Idempotency-Key", strings.Repeat("x", 129)), Status: 400, Has: []string{`"bad_idempotency_key"`}},
		{Name: "idempotency key with blanks", Body: good, Headers: head("Idempotency-Key", "a b"), Status: 400},
		{Name: "expect without stream", Body: event(`"expect":0`), Status: 400, Has: []string{`\"stream\" is missing`}},
		{Name: "expect of another kind", Body: event(`"stream":"s","expect":-1`), Status: 400},
		{Name: "expect a fraction", Body: event(`"stream":"s","expect":1.0`), Status: 400},
		{Name: "expect does not hold", Body: event(`"stream":"s","expect":"12"`), Status: 409, Has: []string{`"last":"0"`}},
		{Name: "expect holds", Body: event(`"stream":"s","expect":"0"`), Status: 200},
	})
}

func TestIdempotencyOverHTTP(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	post := func(name, key, idem, contentType, body string, status int, replay string) {
		t.Helper()
		(&scenario{Name: name, Key: key, Body: body, Status: status, ResponseHeaders: map[string]string{"Idempotent-Replay": replay},
			Headers: map[string]string{"Idempotency-Key": idem, "Content-Type": contentType}}).Run(t, g.Gateway)
	}
	const kind = "application/json"
	post("first", gatewaytest.KeyAll, "k", kind, `{"event":"a"}`, 200, "")
	post("repeat", gatewaytest.KeyAll, "k", kind, `{"event":"a"}`, 200, "true")
	post("another body", gatewaytest.KeyAll, "k", kind, `{"event":"a" }`, 409, "")
	post("another type", gatewaytest.KeyAll, "k", "application/x-ndjson", `{"event":"a"}`, 409, "")
	post("another credential", gatewaytest.KeyPublish, "k", kind, `{"event":"a"}`, 200, "")
	post("a 400 is not remembered", gatewaytest.KeyAll, "bad", kind, `{"event":""}`, 400, "")
	post("so the key is free", gatewaytest.KeyAll, "bad", kind, `{"event":"b"}`, 200, "")
	// A page with a token of the key can neither take the key's own Idempotency-Keys nor learn which it used.
	page := func(name, idem, body string, status int, replay string) {
		t.Helper()
		id, bad := g.Auth.Authenticate(context.Background(), auth.Carriers{Header: []string{gatewaytest.KeyAll}})
		if bad != nil {
			t.Fatal(bad)
		}
		token, _, err := g.Auth.Mint(id, grant.Lists{Pub: []string{"*"}}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		(&scenario{Name: name, Key: "-", Body: body, Status: status, ResponseHeaders: map[string]string{"Idempotent-Replay": replay},
			Headers: map[string]string{"Idempotency-Key": idem, "Authorization": "Bearer " + token}}).Run(t, g.Gateway)
	}
	page("the key's", "k", `{"event":"a"}`, 200, "")
	page("ahead of the key", "order-1", `{"event":"evil"}`, 200, "")
	post("the key, then", gatewaytest.KeyAll, "order-1", kind, `{"event":"order"}`, 200, "")
	page("with the page's next token", "order-1", `{"event":"evil"}`, 200, "true")
	// A remembered answer costs no rate; a new publish does.
	post("rate 1", gatewaytest.KeyRate, "r", kind, `[{"event":"a"},{"event":"a"},{"event":"a"}]`, 200, "")
	post("rate repeat", gatewaytest.KeyRate, "r", kind, `[{"event":"a"},{"event":"a"},{"event":"a"}]`, 200, "true")
	post("rate 2", gatewaytest.KeyRate, "s", kind, `{"event":"a"}`, 429, "")
	(&scenario{Name: "retry after", Key: gatewaytest.KeyRate, Body: `{"event":"a"}`, Status: 429, ResponseHeaders: map[string]string{"Retry-After": "*any*"}, Has: []string{"rate_limited"}}).Run(t, g.Gateway)
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	head := map[string]string{"Content-Type": "application/x-ndjson"}
	g.RunAll(t, []scenario{
		{Name: "lines", Headers: head, Body: "{\"event\":\"a\"}\r\n\n  \n{\"event\":\"b\"}", Status: 200, Has: []string{`"ids":["`}},
		{Name: "one line has ids too", Headers: head, Body: `{"event":"a"}`, Status: 200, Has: []string{`"ids":["`}},
		{Name: "bad line", Headers: head, Body: "{\"event\":\"a\"}\n{", Status: 400, Has: []string{"event 1"}},
		{Name: "blank", Headers: head, Body: "\n\n", Status: 400, Has: []string{"empty_batch"}},
		{Name: "two on a line", Headers: head, Body: `{"event":"a"}{"event":"b"}`, Status: 400},
	})
}

// What is published comes out byte for byte, but for white space between tokens.
func TestDataPassesThrough(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := g.Stream(t, gatewaytest.KeyAll, "")
	tests := []struct{ body, want string }{
		{`{"event":"a"}`, `{"event":"a","data":null}`},
		{`{"data": 1e400 , "event":"a"}`, `{"event":"a","data":1e400}`},
		{`{"event":"a","data":12345678901234567890}`, `{"event":"a","data":12345678901234567890}`},
		{`{"event":"a","data":{"b":1, "a":2,	"b":3}}`, `{"event":"a","data":{"b":1,"a":2,"b":3}}`},
		{`{"event":"a","data":"<\u003c\/é\u00e9\ud800 "}`, `{"event":"a","data":"<\u003c\/é\u00e9\ud800 "}`},
		{`{"event":"a","data":-0.10E+01,"stream":"s","collection":"c"}`, `{"event":"a","collection":"c","data":-0.10E+01,"stream":"s"}`},
		{`{"event":"PATCH","collection":"c\"\\"}`, `{"event":"put","collection":"c\"\\","data":null}`},
		{"{\"event\":\"a\",\"data\":\"\u2028\"}", "{\"event\":\"a\",\"data\":\"\u2028\"}"},
	}
	for _, tt := range tests {
		(&scenario{Name: tt.body, Body: tt.body, Status: 200}).Run(t, g.Gateway)
		if got := s.Event(t); got.Data != tt.want {
			t.Errorf("%s came out as %s", tt.body, got.Data)
		}
	}
}

// TestJSONVectors: JSON or not is decided as the public test suite says, for data of an event.
func TestJSONVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/jsontestsuite.json")
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Vectors map[string]string }
	if err := json.Unmarshal(text, &suite); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, func(s *setup) { s.MaxEvent = 1 << 20 })
	for name, encoded := range suite.Vectors {
		v, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, g.URL+"/realtime", strings.NewReader(`{"event":"a","data":`+string(v)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", gatewaytest.KeyAll)
		r.Header.Set("Content-Type", "application/json")
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		want := map[byte][]int{'y': {200}, 'n': {400}, 'i': {200, 400}}[name[0]]
		// Two that are no JSON by themselves are when an object stands around them: {"a":…,"b":…}.
		if name[0] == 'n' && json.Valid([]byte(`{"event":"a","data":`+string(v)+`}`)) {
			want = []int{200, 400}
		}
		if !strings.Contains(fmt.Sprint(want), fmt.Sprint(answer.StatusCode)) {
			t.Errorf("%s: status %d, want %v", name, answer.StatusCode, want)
		}
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.ReadTimeout = 200 * time.Millisecond })
	got := g.Raw(t, "POST /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: "+gatewaytest.KeyAll+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 10*time.Second)
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
}
