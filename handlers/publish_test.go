package handlers_test

import (
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
	runAll(t, g, []scenario{
		{name: "method", method: "PUT", status: 405, answers: map[string]string{"Allow": "*any*"}, has: []string{`"code":"method_not_allowed"`}},
		{name: "unreadable query", path: "?x=%zz", body: good, key: "-", status: 400, has: []string{`"bad_query"`}},
		{name: "two values in one carrier", path: "?apikey=a&rt-apikey=b", body: good, key: "-", status: 400, has: []string{`"ambiguous_credential"`}},
		{name: "no credential", body: good, key: "-", status: 401, answers: map[string]string{"WWW-Authenticate": "Bearer"}, has: []string{`"missing_credential"`}},
		{name: "bad credential", body: good, key: "wrong", status: 401, has: []string{`"invalid_key"`}, hasNot: []string{"wrong"}},
		{name: "bad beside good", path: "?apikey=wrong", body: good, status: 401},
		{name: "expired key", key: keyExpired, body: good, status: 401, has: []string{`"expired_key"`}},
		{name: "no credential before a bad body", body: "{", key: "-", status: 401, headers: head("Content-Type", "text/plain")},
		{name: "origin", key: keyOrigin, body: "{", headers: head("Origin", "https://b.example", "Content-Type", "text/plain"), status: 403, has: []string{`"origin_not_allowed"`}},
		{name: "its origin", key: keyOrigin, body: good, headers: head("Origin", "https://a.example"), status: 200},
		{name: "no origin", key: keyOrigin, body: good, status: 200},
		{name: "no type", body: "{", headers: head("Content-Type", ""), status: 415},
		{name: "another type", body: "{", headers: head("Content-Type", "text/plain"), status: 415, has: []string{"application/json", "application/x-ndjson"}},
		{name: "another charset", body: good, headers: head("Content-Type", "application/json; charset=latin1"), status: 415, has: []string{"utf-8"}},
		{name: "utf-8", body: good, headers: head("Content-Type", `Application/JSON; charset="UTF-8"`), status: 200, has: []string{ok1}},
		{name: "encoding", body: good, headers: head("Content-Encoding", "gzip"), status: 415, has: []string{`"unsupported_encoding"`, "application/json"}},
		{name: "body too large", body: `"` + strings.Repeat("x", 1<<20) + `"`, status: 413, has: []string{`"body_too_large"`}},
		{name: "no body", method: "POST", status: 400, has: []string{`"bad_json"`}},
		{name: "no json", body: "{", status: 400, has: []string{`"bad_json"`}},
		{name: "trailing garbage", body: good + "x", status: 400},
		{name: "two values", body: good + good, status: 400},
		{name: "invalid utf-8", body: event("\"data\":\"\xff\""), status: 400, has: []string{"UTF-8"}},
		{name: "byte order mark", body: "\ufeff" + good, status: 400},
		{name: "depth 65", body: deep(64), status: 400, has: []string{`\"data\" nests`}},
		{name: "depth 64", body: deep(63), status: 200},
		{name: "depth bomb", body: deep(100_000), status: 400},
		{name: "missing field", body: `{"data":1}`, status: 400, has: []string{`\"event\" is missing`}},
		{name: "repeated field", body: `{"event":"a","event":"b"}`, status: 400, has: []string{`\"event\" is there twice`}},
		{name: "repeated by escape", body: `{"event":"a","\u0065vent":"b"}`, status: 400, has: []string{"twice"}},
		{name: "wrong type", body: `{"event":1}`, status: 400, has: []string{`\"event\" must be a string`}},
		{name: "null collection", body: event(`"collection":null`), status: 400},
		{name: "no object", body: `"goal"`, status: 400},
		{name: "unknown field", body: event(`"datum":1`), status: 400, has: []string{`\"datum\" is not known`}},
		{name: "other case", body: `{"Event":"goal"}`, status: 400},
		{name: "empty name", body: `{"event":""}`, status: 400},
		{name: "long name", body: `{"event":"` + strings.Repeat("x", 129) + `"}`, status: 400, has: []string{"128"}},
		{name: "longest name", body: `{"event":"` + strings.Repeat("x", 128) + `"}`, status: 200},
		{name: "control character", body: `{"event":"a\nb"}`, status: 400, has: []string{"U+000A"}},
		{name: "next line", body: `{"event":"a\u0085b"}`, status: 400},
		{name: "line separator", body: `{"event":"a\u2028b"}`, status: 400},
		{name: "NUL", body: `{"event":"a\u0000"}`, status: 400},
		{name: "half a surrogate pair", body: `{"event":"a\ud800"}`, status: 400},
		{name: "white space", body: `{"event":" a"}`, status: 400},
		{name: "colon", body: `{"event":"a:b"}`, status: 400},
		{name: "bad collection", body: event(`"collection":"a*"`), status: 400, has: []string{`\"collection\"`}},
		{name: "bad stream", body: event(`"stream":"a,b"`), status: 400, has: []string{`\"stream\"`}},
		{name: "reserved", body: `{"event":"ping"}`, status: 400, has: []string{"reserved"}},
		{name: "reserved dollar", body: `{"event":"$x"}`, status: 400},
		{name: "reserved in other case is not", body: `{"event":"Ping"}`, status: 200},
		{name: "method without collection", body: `{"event":"PATCH"}`, status: 400, has: []string{`\"collection\" is missing`}},
		{name: "no space", body: event(`"space":"$room/x"`), status: 400, has: []string{`\"space\"`}},
		{name: "bad space", body: event(`"space":"$db/a/b"`), status: 400, has: []string{`\"space\"`}},
		{name: "space not granted", body: event(`"space":"$db/x"`), status: 403, has: []string{`$db/x:goal`}},
		{name: "collection in a space", body: event(`"space":"$db/x","collection":"c"`), status: 400, has: []string{`\"collection\"`}},
		{name: "method in a space", body: `{"event":"put","space":"$db/x"}`, status: 400, has: []string{`%70ut`}},
		{name: "empty batch", body: `[]`, status: 400, has: []string{`"empty_batch"`}},
		{name: "index", body: `[` + good + `,{"event":""}]`, status: 400, has: []string{"event 1: "}},
		{name: "array in array", body: `[[` + good + `]]`, status: 400},
		{name: "form before size", body: "[" + large(70_000) + `,{"event":""}]`, status: 400},
		{name: "event too large", body: large(64<<10 - overhead + 1), status: 413, has: []string{`"event_too_large"`}},
		{name: "largest event", body: large(64<<10 - overhead), status: 200},
		{name: "white space does not count", body: strings.Replace(large(64<<10-overhead), ":", ":  ", 2), status: 200},
		{name: "too many", body: many, status: 413, has: []string{`"too_many_events"`}},
		{name: "a thousand", body: strings.Replace(many, good+",", "", 1), status: 200, has: []string{`"ids":["`}},
		{name: "no grant at all", key: keyNone, body: good, status: 403, has: []string{`"forbidden"`}},
		{name: "grant of another channel", key: keyPut, body: `{"event":"put","collection":"company"}`, status: 403, has: []string{"PUT:company"}},
		{name: "its grant, as patch", key: keyPut, body: `{"event":"PaTcH","collection":"customer"}`, status: 200},
		{name: "one of a batch", key: keyPut, body: `[{"event":"put","collection":"customer"},` + good + `]`, status: 403, has: []string{"event 1"}},
		{name: "permission before size of key", key: keyNone, body: good, headers: head("Idempotency-Key", strings.Repeat("x", 129)), status: 403},
		{name: "idempotency key too long", body: good, headers: head("Idempotency-Key", strings.Repeat("x", 129)), status: 400, has: []string{`"bad_idempotency_key"`}},
		{name: "idempotency key with blanks", body: good, headers: head("Idempotency-Key", "a b"), status: 400},
		{name: "expect without stream", body: event(`"expect":0`), status: 400, has: []string{`\"stream\" is missing`}},
		{name: "expect of another kind", body: event(`"stream":"s","expect":-1`), status: 400},
		{name: "expect a fraction", body: event(`"stream":"s","expect":1.0`), status: 400},
		{name: "expect does not hold", body: event(`"stream":"s","expect":"12"`), status: 409, has: []string{`"last":"0"`}},
		{name: "expect holds", body: event(`"stream":"s","expect":"0"`), status: 200},
	})
}

func TestIdempotencyOverHTTP(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	post := func(name, key, idem, contentType, body string, status int, replay string) {
		t.Helper()
		(&scenario{name: name, key: key, body: body, status: status, answers: map[string]string{"Idempotent-Replay": replay},
			headers: map[string]string{"Idempotency-Key": idem, "Content-Type": contentType}}).run(t, g)
	}
	const kind = "application/json"
	post("first", keyAll, "k", kind, `{"event":"a"}`, 200, "")
	post("repeat", keyAll, "k", kind, `{"event":"a"}`, 200, "true")
	post("another body", keyAll, "k", kind, `{"event":"a" }`, 409, "")
	post("another type", keyAll, "k", "application/x-ndjson", `{"event":"a"}`, 409, "")
	post("another credential", keyPublish, "k", kind, `{"event":"a"}`, 200, "")
	post("a 400 is not remembered", keyAll, "bad", kind, `{"event":""}`, 400, "")
	post("so the key is free", keyAll, "bad", kind, `{"event":"b"}`, 200, "")
	// A page with a token of the key can neither take the key's own Idempotency-Keys nor learn which it used.
	page := func(name, idem, body string, status int, replay string) {
		t.Helper()
		id, bad := g.auth.Authenticate(auth.Carriers{Header: []string{keyAll}})
		if bad != nil {
			t.Fatal(bad)
		}
		token, _, err := g.auth.Mint(id, grant.Lists{Pub: []string{"*"}}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		(&scenario{name: name, key: "-", body: body, status: status, answers: map[string]string{"Idempotent-Replay": replay},
			headers: map[string]string{"Idempotency-Key": idem, "Authorization": "Bearer " + token}}).run(t, g)
	}
	page("the key's", "k", `{"event":"a"}`, 200, "")
	page("ahead of the key", "order-1", `{"event":"evil"}`, 200, "")
	post("the key, then", keyAll, "order-1", kind, `{"event":"order"}`, 200, "")
	page("with the page's next token", "order-1", `{"event":"evil"}`, 200, "true")
	// A remembered answer costs no rate; a new publish does.
	post("rate 1", keyRate, "r", kind, `[{"event":"a"},{"event":"a"},{"event":"a"}]`, 200, "")
	post("rate repeat", keyRate, "r", kind, `[{"event":"a"},{"event":"a"},{"event":"a"}]`, 200, "true")
	post("rate 2", keyRate, "s", kind, `{"event":"a"}`, 429, "")
	(&scenario{name: "retry after", key: keyRate, body: `{"event":"a"}`, status: 429, answers: map[string]string{"Retry-After": "*any*"}, has: []string{"rate_limited"}}).run(t, g)
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	head := map[string]string{"Content-Type": "application/x-ndjson"}
	runAll(t, g, []scenario{
		{name: "lines", headers: head, body: "{\"event\":\"a\"}\r\n\n  \n{\"event\":\"b\"}", status: 200, has: []string{`"ids":["`}},
		{name: "one line has ids too", headers: head, body: `{"event":"a"}`, status: 200, has: []string{`"ids":["`}},
		{name: "bad line", headers: head, body: "{\"event\":\"a\"}\n{", status: 400, has: []string{"event 1"}},
		{name: "blank", headers: head, body: "\n\n", status: 400, has: []string{"empty_batch"}},
		{name: "two on a line", headers: head, body: `{"event":"a"}{"event":"b"}`, status: 400},
	})
}

// What is published comes out byte for byte, but for white space between tokens.
func TestDataPassesThrough(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := g.stream(t, keyAll, "")
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
		(&scenario{name: tt.body, body: tt.body, status: 200}).run(t, g)
		if got := s.event(t); got.Data != tt.want {
			t.Errorf("%s came out as %s", tt.body, got.Data)
		}
	}
}

// TestJSONVectors: JSON or not is decided as the public test suite says, for data of an event.
func TestJSONVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("realtime/testdata/jsontestsuite.json")
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Vectors map[string]string }
	if err := json.Unmarshal(text, &suite); err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, func(s *setup) { s.realtime.MaxEvent = 1 << 20 })
	for name, encoded := range suite.Vectors {
		v, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, g.URL+"/realtime", strings.NewReader(`{"event":"a","data":`+string(v)+`}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", keyAll)
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
	g := newGateway(t, func(s *setup) { s.realtime.ReadTimeout = 200 * time.Millisecond })
	got := raw(t, g, "POST /realtime HTTP/1.1\r\nHost: x\r\nX-Apikey: "+keyAll+"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 10*time.Second)
	if !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
}
