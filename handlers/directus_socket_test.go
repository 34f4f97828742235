package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/auth"
	"sluice/auth/grant"
	"sluice/broker/document"
	"sluice/broker/eventlog"
	"sluice/handlers/directus"
)

// socket is a client's, whose messages are read one by one.
type socket struct {
	t  testing.TB
	ws *websocket.Conn
}

// dial opens a socket; query may hold a token.
func (g *gateway) dial(t testing.TB, query string, header http.Header) (*socket, int) {
	t.Helper()
	ws, answer, err := websocket.Dial(context.Background(), strings.Replace(g.URL, "http", "ws", 1)+"/websocket"+query,
		&websocket.DialOptions{HTTPClient: g.Client(), HTTPHeader: header})
	if err != nil {
		if answer == nil {
			t.Fatal(err)
		}
		return nil, answer.StatusCode
	}
	ws.SetReadLimit(1 << 26)
	t.Cleanup(func() { ws.CloseNow() }) //nolint:errcheck // it may be closed
	return &socket{t, ws}, answer.StatusCode
}

// socket opens one that is authenticated by its address.
func (g *gateway) socket(t testing.TB, key string) *socket {
	t.Helper()
	s, status := g.dial(t, "?access_token="+key, nil)
	if s == nil {
		t.Fatal(status)
	}
	return s
}

func (s *socket) say(text string) {
	s.t.Helper()
	if err := s.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// next is the next message, as it came.
func (s *socket) next() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, text, err := s.ws.Read(ctx)
	return string(text), err
}

// hears wants just these messages next.
func (s *socket) hears(want ...string) {
	s.t.Helper()
	for _, w := range want {
		got, err := s.next()
		if err != nil {
			s.t.Fatalf("%v; want %s", err, w)
		}
		if got = steady(got); got != w {
			s.t.Fatalf("got  %s\nwant %s", got, w)
		}
	}
}

// quiet wants no message by now: what was asked is answered in order, so nothing is before the pong.
func (s *socket) quiet() {
	s.t.Helper()
	s.say(`{"type":"ping","uid":"quiet"}`)
	s.hears(`{"type":"pong","uid":"quiet"}`)
}

// ends wants the server to close.
func (s *socket) ends(code websocket.StatusCode) {
	s.t.Helper()
	text, err := s.next()
	if err == nil || websocket.CloseStatus(err) != code {
		s.t.Fatalf("got %s, %v; want an end with %d", text, err, code)
	}
}

const handshakeFailed = `{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication handshake failed."}}`

// TestSocketItems: every action and selector, and everything that can be wrong with a message, on one connection.
func TestSocketItems(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems)
	s := g.socket(t, keyItems)
	failed := func(kind, code, message, rest string) string {
		return `{"type":"` + kind + `","status":"error","error":{"code":"` + code + `","message":"` + message + `"}` + rest + `}`
	}
	const at = `,"date_created":"AT"}`
	for _, x := range [][2]string{
		{`{"type":"items","collection":"messages","action":"create","data":{"id":1,"text":"hi"},"uid":"a"}`, `{"type":"items","data":{"id":"1","text":"hi"` + at + `,"uid":"a"}`},
		{`{"type":"items","collection":"messages","action":"create","data":{"text":"ho"},"uid":7}`, `{"type":"items","data":{"id":"ID","text":"ho"` + at + `,"uid":7}`},
		{`{"type":"items","collection":"messages","action":"create","data":[{"id":"2","n":2},{"id":"3","n":3}],"query":{"fields":["n","id"]}}`, `{"type":"items","data":[{"id":"2","n":2},{"id":"3","n":3}]}`},
		{`{"type":"items","collection":"messages","action":"create","data":[]}`, `{"type":"items","data":[]}`},
		{`{"type":"items","collection":"messages","action":"read","id":1}`, `{"type":"items","data":{"id":"1","text":"hi"` + at + `}`},
		{`{"type":"items","collection":"messages","action":"read","ids":["3","1","none"],"query":{"fields":"id"}}`, `{"type":"items","data":[{"id":"3"},{"id":"1"}]}`},
		{`{"type":"items","collection":"messages","action":"read","ids":["3","1"],"query":{"fields":"id","sort":"id","filter":"{\"n\":{\"_null\":true}}"}}`, `{"type":"items","data":[{"id":"1"}]}`},
		{`{"type":"items","collection":"messages","action":"read","query":{"sort":["-n"],"limit":"1","fields":"id","meta":"*"}}`, `{"type":"items","data":[{"id":"3"}],"meta":{"total_count":4,"filter_count":4}}`},
		{`{"type":"items","collection":"messages","action":"read","query":{"sort":"-date_created","limit":1,"fields":["id"]}}`, `{"type":"items","data":[{"id":"3"}]}`},
		{`{"type":"items","collection":"other","action":"read"}`, `{"type":"items","data":[]}`},
		{`{"type":"items","collection":"messages","action":"update","id":"2","data":{"n":5,"id":"x"},"query":{"fields":["id","n"]}}`, `{"type":"items","data":{"id":"2","n":5}}`},
		{`{"type":"items","collection":"messages","action":"update","ids":["3",2],"data":{"k":1},"query":{"fields":["id","k"]}}`, `{"type":"items","data":[{"id":"3","k":1},{"id":"2","k":1}]}`},
		{`{"type":"items","collection":"messages","action":"update","data":{"k":2},"query":{"filter":{"k":{"_eq":1}},"fields":["id","k"]}}`, `{"type":"items","data":[{"id":"2","k":2},{"id":"3","k":2}]}`},
		{`{"type":"items","collection":"messages","action":"delete","id":2}`, `{"type":"items","data":"2"}`},
		{`{"type":"items","collection":"messages","action":"delete","ids":["3"],"uid":"d"}`, `{"type":"items","data":["3"],"uid":"d"}`},
		{`{"type":"items","collection":"messages","action":"delete","query":{"filter":{"text":{"_eq":"ho"}}}}`, `{"type":"items","data":["ID"]}`},
		{`{"type":"items","collection":"messages","action":"delete","query":{}}`, `{"type":"items","data":["1"]}`},
		{`{"type":"items","collection":"messages","action":"delete","query":{}}`, `{"type":"items","data":[]}`},

		{`{"type":"ping"}`, `{"type":"pong"}`},
		{`{"type":"ping","uid":"p"}`, `{"type":"pong","uid":"p"}`},
		{`{`, failed("server", "INVALID_PAYLOAD", "it is not JSON, without a field twice: jsontext: unexpected EOF after offset 1", "")},
		{`[]`, failed("server", "INVALID_PAYLOAD", `a message is an object with a \"type\"`, "")},
		{`{"type":5,"uid":"a"}`, failed("server", "INVALID_PAYLOAD", `a message is an object with a \"type\"`, "")},
		{`{"type":"ping","uid":{}}`, failed("server", "INVALID_PAYLOAD", "a uid is a string or a number of at most 128 bytes", "")},
		{`{"type":"ping","uid":"` + strings.Repeat("x", 127) + `"}`, failed("server", "INVALID_PAYLOAD", "a uid is a string or a number of at most 128 bytes", "")},
		{`{"type":"items","uid":"a"}`, failed("items", "INVALID_PAYLOAD", `\"collection\" must be a string`, `,"uid":"a"`)},
		{`{"type":"items","collection":"m"}`, failed("items", "INVALID_PAYLOAD", `\"action\" must be a string`, "")},
		{`{"type":"items","collection":"m","action":"drop"}`, failed("items", "INVALID_PAYLOAD", `an \"action\" is create, read, update or delete`, "")},
		{`{"type":"items","collection":"m","action":"create"}`, failed("items", "INVALID_PAYLOAD", `a create needs \"data\": an item, or an array of them`, "")},
		{`{"type":"items","collection":"m","action":"update","data":{}}`, failed("items", "INVALID_PAYLOAD", `it needs an \"id\", \"ids\" or a \"query\"; an empty one stands for all items`, "")},
		{`{"type":"items","collection":"m","action":"update","id":1,"data":5}`, failed("items", "INVALID_PAYLOAD", `an item is a JSON object, not 5`, "")},
		{`{"type":"items","collection":"m","action":"delete"}`, failed("items", "INVALID_PAYLOAD", `it needs an \"id\", \"ids\" or a \"query\"; an empty one stands for all items`, "")},
		{`{"type":"items","collection":"m","action":"read","id":"none","uid":1}`, failed("items", "FORBIDDEN", `there is no item \"none\", or it is not for you`, `,"uid":1`)},
		{`{"type":"items","collection":"m","action":"read","query":{"limit":"x"}}`, failed("items", "INVALID_QUERY", `limit is \"x\": it must be a whole number from -1 to 1000000000`, "")},
		{`{"type":"items","collection":"directus_users","action":"read"}`, failed("items", "INVALID_COLLECTION", `there are no system collections here: \"directus_users\"`, "")},
		{`{"type":"items","collection":"a/b","action":"read"}`, failed("items", "INVALID_COLLECTION", `a collection's name is 1 to 128 letters, digits, - and _ signs`, "")},
		{`{"type":"subscribe","uid":"s"}`, failed("subscribe", "INVALID_PAYLOAD", `\"collection\" must be a string`, `,"uid":"s"`)},
		{`{"type":"subscribe","collection":"m","event":"boing"}`, failed("subscribe", "INVALID_PAYLOAD", `an \"event\" is create, update or delete`, "")},
		{`{"type":"subscribe","collection":"m","item":"none"}`, failed("subscribe", "FORBIDDEN", `there is no item \"none\", or it is not for you`, "")},
		{`{"type":"subscribe","collection":"m","query":[]}`, failed("subscribe", "INVALID_QUERY", `the query is an array: it must be a JSON object`, "")},
		{`{"type":"unsubscribe","uid":9}`, `{"type":"subscription","event":"unsubscribe","uid":"9"}`},
	} {
		s.say(x[0])
		s.hears(x[1])
	}
	for _, text := range []string{`{"type":"pong"}`, `{"type":"boing","uid":"a"}`, `{"type":"ITEMS"}`} {
		s.say(text)
		s.quiet()
	}
	w := g.socket(t, keyWriter)
	for _, x := range [][2]string{
		{`{"type":"items","collection":"messages","action":"create","data":{"id":"w"}}`, `{"type":"items","data":null}`},
		{`{"type":"items","collection":"messages","action":"read"}`, failed("items", "INVALID_COLLECTION", `this credential has no permission GET:messages (in its \"rest\")`, "")},
		{`{"type":"items","collection":"other","action":"create","data":{}}`, failed("items", "INVALID_COLLECTION", `this credential has no permission POST:other (in its \"rest\")`, "")},
		{`{"type":"subscribe","collection":"messages"}`, failed("subscribe", "INVALID_COLLECTION", `this credential has no permission GET:messages (in its \"rest\")`, "")},
	} {
		w.say(x[0])
		w.hears(x[1])
	}
}

func created(items, uid string) string { return tells("create", items, uid) }

func tells(event, data, uid string) string {
	if uid != "" {
		uid = `,"uid":"` + uid + `"`
	}
	return `{"type":"subscription","event":"` + event + `","data":` + data + uid + `}`
}

// TestSubscriptions: what a subscription begins with, and what it is told of changes, by whichever way they are made.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems)
	const at = `,"date_created":"AT"}`
	change := func(method, path, body string, status int) {
		t.Helper()
		runAll(t, g, []scenario{{name: path, method: method, path: path, key: keyItems, body: body, status: status}})
	}
	change("POST", "/items/m", `[{"id":"1","user":"Ben","n":1},{"id":"2","user":"Ann","n":2}]`, 200)
	s := g.socket(t, keyItems)
	s.say(`{"type":"subscribe","collection":"m","uid":7}`)
	s.hears(tells("init", `[{"id":"1","user":"Ben","n":1`+at+`,{"id":"2","user":"Ann","n":2`+at+`]`, "7"))
	s.say(`{"type":"subscribe","collection":"m","uid":"ben","query":{"fields":"id,n","filter":"{\"user\":{\"_eq\":\"Ben\"}}","meta":"*","limit":"5"}}`)
	s.hears(`{"type":"subscription","event":"init","data":[{"id":"1","n":1}],"meta":{"total_count":2,"filter_count":1},"uid":"ben"}`)
	s.say(`{"type":"subscribe","collection":"m","event":"delete"}`)
	s.hears(`{"type":"subscription","event":"init"}`)
	s.say(`{"type":"subscribe","collection":"m","item":1,"uid":"one","query":{"fields":["n"]}}`)
	s.hears(tells("init", `{"n":1}`, "one"))

	// The author's own change is told to its subscriptions too, in their order of making or not: of one change there is no order.
	other := g.socket(t, keyItems)
	other.say(`{"type":"subscribe","collection":"m","uid":"7"}`)
	other.hears(tells("init", `[{"id":"1","user":"Ben","n":1`+at+`,{"id":"2","user":"Ann","n":2`+at+`]`, "7"))
	other.say(`{"type":"items","collection":"m","action":"create","data":[{"id":"3","user":"Ben","n":3},{"id":"4","user":"Eve","n":4}],"uid":"x"}`)
	all3, all4 := created(`[{"id":"3","user":"Ben","n":3`+at+`]`, "7"), created(`[{"id":"4","user":"Eve","n":4`+at+`]`, "7")
	other.hears(`{"type":"items","data":[{"id":"3","user":"Ben","n":3`+at+`,{"id":"4","user":"Eve","n":4`+at+`],"uid":"x"}`, all3, all4)
	s.inAnyOrder(all3, created(`[{"id":"3","n":3}]`, "ben"))
	s.hears(all4)

	// Several that are changed at once are told at once; who sees nothing of it is not told.
	change("PATCH", "/items/m", `{"keys":["1","3","4"],"data":{"n":9}}`, 200)
	list := `[{"id":"1","user":"Ben","n":9` + at + `,{"id":"3","user":"Ben","n":9` + at + `,{"id":"4","user":"Eve","n":9` + at + `]`
	other.hears(tells("update", list, "7"))
	s.inAnyOrder(tells("update", list, "7"), tells("update", `[{"id":"1","n":9},{"id":"3","n":9}]`, "ben"), tells("update", `{"n":9}`, "one"))
	change("PATCH", "/items/m/4", `{"n":10}`, 200)
	other.hears(tells("update", `[{"id":"4","user":"Eve","n":10`+at+`]`, "7"))
	s.hears(tells("update", `[{"id":"4","user":"Eve","n":10`+at+`]`, "7"))

	// Those that go are told by their ids, whatever the filter.
	change("DELETE", "/items/m", `["4","1"]`, 204)
	other.hears(tells("delete", `["4","1"]`, "7"))
	s.inAnyOrder(tells("delete", `["4","1"]`, "7"), tells("delete", `["4","1"]`, "ben"), tells("delete", `["4","1"]`, ""), tells("delete", `"1"`, "one"))

	// What somebody publishes under the same name is no change of an item.
	change("POST", "/realtime", `{"event":"post","collection":"m","data":{"id":"no"}}`, 200)
	other.quiet()

	// The same uid is the same subscription, and one that has ended is told nothing.
	other.say(`{"type":"subscribe","collection":"m","uid":7,"query":{"fields":"n","sort":"-n","limit":1}}`)
	other.hears(tells("init", `[{"n":9}]`, "7"))
	change("PATCH", "/items/m", `[{"id":"2","n":20},{"id":"3","n":30}]`, 200)
	other.hears(tells("update", `[{"n":30}]`, "7"))
	other.say(`{"type":"unsubscribe","uid":"7"}`)
	other.hears(`{"type":"subscription","event":"unsubscribe","uid":"7"}`)
	s.say(`{"type":"unsubscribe"}`)
	for {
		text, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if text == `{"type":"subscription","event":"unsubscribe"}` {
			break
		}
	}
	change("PATCH", "/items/m/2", `{"n":21}`, 200)
	other.quiet()
	s.quiet()

	// Who may hear of a part only is told that part; who wants another is refused.
	r := g.socket(t, keyReader)
	r.say(`{"type":"subscribe","collection":"messages","uid":"r"}`)
	r.hears(tells("init", `[]`, "r"))
	r.say(`{"type":"subscribe","collection":"messages","event":"update","uid":"u"}`)
	r.hears(`{"type":"subscribe","status":"error","error":{"code":"FORBIDDEN","message":"this credential may not hear of these changes: its \"sub\" has none of POST:messages, PUT:messages and DELETE:messages that is asked for"},"uid":"u"}`)
	change("POST", "/items/messages", `{"id":"1"}`, 200)
	change("PATCH", "/items/messages/1", `{"n":1}`, 200)
	change("DELETE", "/items/messages/1", ``, 204)
	change("POST", "/items/messages", `{"id":"2"}`, 200)
	r.hears(created(`[{"id":"1"`+at+`]`, "r"), created(`[{"id":"2"`+at+`]`, "r"))
	if n := g.broker.Views(); n > 5 {
		t.Errorf("%d views are left", n)
	}
}

// inAnyOrder wants these messages next, however they follow each other.
func (s *socket) inAnyOrder(want ...string) {
	s.t.Helper()
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	for range want {
		got, err := s.next()
		if err != nil {
			s.t.Fatal(err)
		}
		if got = steady(got); left[got] == 0 {
			s.t.Fatalf("got %s, want one of %q", got, want)
		}
		left[got]--
	}
}

// TestSharedFeeds: those who ask for the same share what is made of a change.
func TestSharedFeeds(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems)
	before := g.broker.Views()
	sockets := make([]*socket, 5)
	for i := range sockets {
		sockets[i] = g.socket(t, keyItems)
		sockets[i].say(fmt.Sprintf(`{"type":"subscribe","collection":"m","uid":"%d","query":{"filter":{"n":{"_gt":1}} , "fields":["id"]}}`, i))
		sockets[i].hears(tells("init", `[]`, fmt.Sprint(i)))
		sockets[i].say(`{"type":"subscribe","collection":"m","uid":"x","query":{"fields":["id"],"filter":{"n":{"_gt":1}}}}`)
		sockets[i].hears(tells("init", `[]`, "x"))
	}
	if got := g.broker.Views() - before; got != 2 { // and that of the connections themselves
		t.Errorf("%d views", got)
	}
	for _, s := range sockets {
		s.ws.CloseNow() //nolint:errcheck // it may be closed
	}
	for end := time.Now().Add(5 * time.Second); g.broker.Views() != before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d views are left", g.broker.Views()-before)
		}
	}
}

func TestSocketHandshake(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) { s.directus.AuthTimeout = 300 * time.Millisecond; s.limits.ConnectionsPerKey = 3 })
	g.addUser(t, "ann@example.com", "s3cret-s3cret")
	open := func() *socket {
		t.Helper()
		s, _ := g.dial(t, "", nil)
		return s
	}
	ok := open()
	ok.say(`{"access_token":"` + keyItems + `","type":"auth"}`)
	ok.hears(`{"type":"auth","status":"ok"}`)
	ok.say(`{"type":"auth","access_token":"` + keyReader + `","uid":"1"}`)
	ok.hears(`{"type":"auth","status":"ok","uid":"1"}`)
	time.Sleep(400 * time.Millisecond) // longer than the time to authenticate in
	ok.quiet()

	for _, first := range []string{`{"type":"subscribe","collection":"m","uid":"1"}`, `{"type":"ping"}`, `{`, `{"type":"boing"}`} {
		s := open()
		s.say(first)
		s.hears(handshakeFailed)
		s.ends(websocket.StatusPolicyViolation)
	}
	late := open()
	late.hears(handshakeFailed)
	late.ends(websocket.StatusPolicyViolation)
	for auth, why := range map[string]string{
		`"access_token":"nope"`:                             "this API key is not known here",
		`"email":"ann@example.com","password":"nope"`:       "the email or the password is wrong, or the session has ended; sign in again",
		`"refresh_token":"nope"`:                            "the email or the password is wrong, or the session has ended; sign in again",
		`"token":"x"`:                                       `it needs an \"access_token\", \"email\" and \"password\", or a \"refresh_token\"`,
		`"access_token":"key-page-0123456789","from":"now"`: "this key may not be used from this Origin; add it to the key's origins",
	} {
		s, _ := g.dial(t, "", http.Header{"Origin": {"https://b.example"}})
		s.say(`{"type":"auth",` + auth + `,"uid":2}`)
		s.hears(`{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed: ` + why + `."},"uid":2}`)
		s.ends(websocket.StatusPolicyViolation)
	}

	user := open()
	user.say(`{"type":"auth","email":"ann@example.com","password":"s3cret-s3cret","uid":"1"}`)
	token := user.refreshToken(`{"type":"auth","status":"ok","uid":"1","refresh_token":"`)
	user.say(`{"type":"items","collection":"m","action":"read"}`)
	user.hears(`{"type":"items","data":[]}`)
	user.say(`{"type":"auth","refresh_token":"` + token + `"}`)
	user.refreshToken(`{"type":"auth","status":"ok","refresh_token":"`)

	// A credential has so many connections, and one that changes hands is counted anew.
	ok.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
	ok.hears(`{"type":"auth","status":"ok"}`)
	two, three := g.socket(t, keyItems), g.socket(t, keyItems)
	two.quiet()
	three.quiet()
	if s, status := g.dial(t, "?access_token="+keyItems, nil); s != nil || status != http.StatusForbidden {
		t.Errorf("a fourth: %d", status)
	}
	four := open()
	four.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
	four.hears(`{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed: this credential has as many connections as MAX_CONNECTIONS_PER_KEY allows; close one or try again later."}}`)
	four.ends(websocket.StatusPolicyViolation)
	two.say(`{"type":"auth","access_token":"` + keyReader + `"}`)
	two.hears(`{"type":"auth","status":"ok"}`)
	g.socket(t, keyItems).quiet()

	for query, want := range map[string]int{"?access_token=nope": 401, "?access_token=" + keyItems: 403, "?access_token=" + keyReader: 101, "": 101} {
		if _, status := g.dial(t, query, nil); status != want {
			t.Errorf("%s: %d, want %d", query, status, want)
		}
	}
	if _, status := g.dial(t, "?access_token=key-page-0123456789", http.Header{"Origin": {"https://b.example"}}); status != 403 {
		t.Errorf("another's page: %d", status)
	}
}

// refreshToken is the one in an answer that begins so.
func (s *socket) refreshToken(begins string) string {
	s.t.Helper()
	text, err := s.next()
	token, ok := strings.CutPrefix(text, begins)
	if err != nil || !ok || len(token) < 20 {
		s.t.Fatal(text, err)
	}
	return strings.TrimSuffix(token, `"}`)
}

func TestSocketModes(t *testing.T) {
	t.Parallel()
	strict := newGateway(t, withItems, func(s *setup) { s.directus.Mode = directus.Strict })
	for query, want := range map[string]int{"": 401, "?access_token=nope": 401, "?access_token=" + keyItems: 101} {
		if _, status := strict.dial(t, query, nil); status != want {
			t.Errorf("strict %s: %d, want %d", query, status, want)
		}
	}
	strict.socket(t, keyItems).quiet()

	public := newGateway(t, withItems, func(s *setup) {
		s.directus.Mode, s.directus.AuthTimeout, s.directus.Heartbeat = directus.Public, 50*time.Millisecond, 100*time.Millisecond
	})
	s, _ := public.dial(t, "", nil)
	time.Sleep(300 * time.Millisecond) // nobody is asked, nor pinged
	s.quiet()
	s.say(`{"type":"items","collection":"m","action":"read","uid":"a"}`)
	s.hears(`{"type":"items","status":"error","error":{"code":"INVALID_COLLECTION","message":"there is no credential: send an API key, or a token, as Authorization: Bearer"},"uid":"a"}`)
	s.say(`{"type":"auth","access_token":"nope"}`)
	s.hears(`{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed: this API key is not known here."}}`)
	s.quiet()
	s.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
	s.hears(`{"type":"auth","status":"ok"}`)
	s.say(`{"type":"items","collection":"m","action":"read","uid":"a"}`)
	s.hears(`{"type":"items","data":[],"uid":"a"}`)
}

// TestSocketEnds: the identity ends, and what is missed meanwhile is told to who comes back.
func TestSocketEnds(t *testing.T) {
	t.Parallel()
	for _, mode := range []directus.Mode{directus.Handshake, directus.Public} {
		g := newGateway(t, withItems, func(s *setup) { s.directus.Mode, s.directus.AuthTimeout = mode, 400*time.Millisecond })
		key := g.asAdmin(t, "POST", "/admin/keys", `{"name":"temp","sub":["*"],"rest":["*"]}`, 201)["key"].(string)
		s := g.socket(t, key)
		s.say(`{"type":"subscribe","collection":"m","uid":"1"}`)
		s.hears(tells("init", `[]`, "1"))
		id := g.keyID(t, "temp")
		g.asAdmin(t, "PATCH", "/admin/keys/"+id, `{"sub":["POST:m","DELETE:m"]}`, 200)
		const expired = `{"type":"auth","status":"error","error":{"code":"TOKEN_EXPIRED","message":"Token expired."}}`
		s.hears(expired)
		runAll(t, g, []scenario{
			{name: "made", method: "POST", path: "/items/m", key: keyItems, body: `{"id":"1"}`, status: 200},
			{name: "changed", method: "PATCH", path: "/items/m/1", key: keyItems, body: `{"n":1}`, status: 200},
			{name: "gone", method: "DELETE", path: "/items/m/1", key: keyItems, status: 204},
		})
		s.quiet()
		s.say(`{"type":"auth","access_token":"` + key + `"}`)
		s.hears(`{"type":"auth","status":"ok"}`, created(`[{"id":"1","date_created":"AT"}]`, "1"), tells("delete", `["1"]`, "1"))
		// What it may no longer do at all is told to end.
		g.asAdmin(t, "PATCH", "/admin/keys/"+id, `{"rest":["POST:m"]}`, 200)
		s.hears(expired)
		s.say(`{"type":"auth","access_token":"` + key + `"}`)
		s.hears(`{"type":"auth","status":"ok"}`, `{"type":"subscribe","status":"error","error":{"code":"INVALID_COLLECTION","message":"this credential has no permission GET:m (in its \"rest\")"},"uid":"1"}`)
		g.asAdmin(t, "DELETE", "/admin/keys/"+id, "", 204)
		s.hears(expired, `{"type":"auth","status":"error","error":{"code":"AUTH_TIMEOUT","message":"Authentication timed out."}}`)
		if mode == directus.Public {
			s.quiet()
			continue
		}
		s.ends(websocket.StatusPolicyViolation)
	}
}

// keyID is the id of a stored key.
func (g *gateway) keyID(t *testing.T, name string) string {
	t.Helper()
	for _, k := range g.auth.Keys() {
		if k.Name == name {
			return k.ID
		}
	}
	t.Fatal("there is no key", name)
	return ""
}

func TestSocketExpiry(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems)
	mint := func(ttl time.Duration) string {
		t.Helper()
		who, bad := g.auth.Authenticate(auth.Carriers{Bearer: []string{keyItems}})
		if bad != nil {
			t.Fatal(bad)
		}
		token, _, err := g.auth.Mint(who, grant.Lists{Sub: []string{"*"}, Rest: []string{"*"}}, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	s := g.socket(t, mint(2*time.Second))
	s.say(`{"type":"subscribe","collection":"m","uid":"1"}`)
	s.hears(tells("init", `[]`, "1"), `{"type":"auth","status":"error","error":{"code":"TOKEN_EXPIRED","message":"Token expired."}}`)
	s.say(`{"type":"items","collection":"m","action":"read"}`)
	s.hears(`{"type":"items","status":"error","error":{"code":"INVALID_COLLECTION","message":"there is no credential: send an API key, or a token, as Authorization: Bearer"}}`)
	s.say(`{"type":"auth","access_token":"` + mint(time.Hour) + `"}`)
	s.hears(`{"type":"auth","status":"ok"}`)
	s.quiet()
}

func TestSocketHeartbeat(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) { s.directus.Heartbeat = 200 * time.Millisecond })
	s, silent := g.socket(t, keyItems), g.socket(t, keyItems)
	for range 3 {
		s.hears(`{"type":"ping"}`)
		s.say(`{"type":"pong"}`)
	}
	silent.hears(`{"type":"ping"}`)
	silent.ends(websocket.StatusPolicyViolation)
	s.hears(`{"type":"ping"}`)
}

func TestSocketBounds(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) { s.realtime.MaxBody = 1000; s.limits.Connections = 4 })
	s := g.socket(t, keyItems)
	for i := range 100 {
		s.say(fmt.Sprintf(`{"type":"subscribe","collection":"m","event":"create","uid":%d}`, i))
		s.hears(fmt.Sprintf(`{"type":"subscription","event":"init","uid":"%d"}`, i))
	}
	s.say(`{"type":"subscribe","collection":"m","uid":"more"}`)
	s.hears(`{"type":"subscribe","status":"error","error":{"code":"LIMIT_EXCEEDED","message":"a connection has at most 100 subscriptions: end one"},"uid":"more"}`)
	s.say(`{"type":"subscribe","collection":"m","event":"create","uid":"99"}`) // is there
	s.hears(`{"type":"subscription","event":"init","uid":"99"}`)
	for i := range 500 {
		s.say(fmt.Sprintf(`{"type":"ping","uid":%d}`, i))
	}
	over := 0
	for i := range 500 {
		text, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if text != fmt.Sprintf(`{"type":"pong","uid":%d}`, i) {
			over++
			if want := fmt.Sprintf(`{"type":"server","status":"error","error":{"code":"REQUESTS_EXCEEDED","message":"more than 300 messages a second; slow down: this one was not taken"},"uid":%d}`, i); text != want {
				t.Fatal(text)
			}
		}
	}
	if over == 0 {
		t.Error("500 messages at once were all taken")
	}
	large := g.socket(t, keyItems)
	large.say(`{"type":"ping","uid":"` + strings.Repeat("x", 1000) + `"}`)
	large.ends(websocket.StatusMessageTooBig)
	g.socket(t, keyItems)
	g.socket(t, keyItems)
	for end := time.Now().Add(5 * time.Second); g.traffic.Streams() != 3; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(g.traffic.Streams())
		}
	}
	g.socket(t, keyItems)
	if _, status := g.dial(t, "", nil); status != http.StatusForbidden {
		t.Errorf("one more connection: %d", status)
	}
}

// TestSocketMissed: who comes back to changes that are gone is sent away to subscribe again.
func TestSocketMissed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) {
		s.directus.Mode, s.broker.RingBytes, s.retain = directus.Public, 1000, eventlog.Retention{Bytes: 20_000}
	})
	s := g.socket(t, keyItems)
	s.say(`{"type":"subscribe","collection":"m","uid":"1"}`)
	s.hears(tells("init", `[]`, "1"))
	s.say(`{"type":"auth","access_token":"nope"}`)
	if text, err := s.next(); err != nil || !strings.Contains(text, "AUTH_FAILED") {
		t.Fatal(text, err)
	}
	for range 100 {
		if _, err := g.documents.Insert(t.Context(), "m", "test", []document.New{{Fields: fields(t, `{"a":"`+strings.Repeat("x", 1000)+`"}`)}}); err != nil {
			t.Fatal(err)
		}
	}
	s.say(`{"type":"auth","access_token":"` + keyItems + `"}`)
	s.hears(`{"type":"auth","status":"ok"}`)
	s.ends(websocket.StatusTryAgainLater)
}

func fields(t testing.TB, text string) document.Fields {
	t.Helper()
	f, _, err := document.ParseFields([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSocketDrains: connections without a subscription end too, and the administrator lists and cuts them.
func TestSocketDrains(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems)
	a, b := g.socket(t, keyItems), g.socket(t, keyReader)
	c, _ := g.dial(t, "", nil)
	a.quiet()
	b.quiet()
	var readers []string
	list := g.asAdmin(t, "GET", "/admin/connections", "", 200)["list"].([]any)
	for _, one := range list {
		if one := one.(map[string]any); one["who"] == "reader" {
			readers = append(readers, one["id"].(string))
		}
	}
	if len(readers) != 1 || len(list) != 3 {
		t.Fatal(list)
	}
	g.asAdmin(t, "DELETE", "/admin/connections/"+readers[0], "", 204)
	b.ends(websocket.StatusGoingAway)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- g.traffic.Drain(ctx, g.broker) }()
	a.ends(websocket.StatusGoingAway)
	c.ends(websocket.StatusGoingAway)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, status := g.dial(t, "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("while draining: %d", status)
	}
}

// TestSocketSlow: who does not read is closed, and holds up nobody.
func TestSocketSlow(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withItems, func(s *setup) { s.realtime.WriteTimeout = 500 * time.Millisecond; s.broker.RingBytes = 200_000 })
	slow, quick := g.socket(t, keyItems), g.socket(t, keyItems)
	for _, s := range []*socket{slow, quick} {
		s.say(`{"type":"subscribe","collection":"m","uid":"1","query":{"fields":["a"]}}`)
		s.hears(tells("init", `[]`, "1"))
	}
	text := strings.Repeat("x", 60_000)
	for range 400 {
		if _, err := g.documents.Insert(t.Context(), "m", "test", []document.New{{Fields: fields(t, `{"a":"`+text+`"}`)}}); err != nil {
			t.Fatal(err)
		}
		quick.hears(created(`[{"a":"`+text+`"}]`, "1"))
	}
	for end := time.Now().Add(10 * time.Second); g.traffic.Streams() > 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the slow one is still there")
		}
	}
	for {
		if _, err := slow.next(); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			break
		}
	}
}
