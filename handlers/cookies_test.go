package handlers_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"sluice/config"
	"sluice/gateway/gatewaytest"
)

const (
	keyCookie = "key-cookie-0123456789"
	keyHeader = "key-header-0123456789"
	appPage   = "https://app.example"
	otherPage = "https://other.example"
	evilPage  = "https://evil.example"
	session   = "session=" + keyCookie
)

// withCookie has a gateway take credentials from the cookie "session". Pages of appPage and of otherPage may use it.
func withCookie(s *setup) {
	s.APIKeys = fmt.Sprintf(`[{"name":"cookie","key":%q,"sub":["*","$db/demo"],"pub":["*","$db/demo"],"rest":["*:*"]},
		{"name":"header","key":%q,"sub":["*","$db/demo"],"pub":["*","$db/demo"],"rest":["*:*"]},
		{"name":"home","key":%q,"sub":["*"],"pub":["*"],"origins":[%q]}]`, keyCookie, keyHeader, gatewaytest.KeyOrigin, appPage)
	s.CredentialCookie, s.CORSOrigins = "session", []string{appPage, otherPage}
	s.RoomCreate = config.RoomsKey
}

// sent are the headers of a page's request.
func sent(origin, cookie string) map[string]string {
	return map[string]string{"Origin": origin, "Cookie": cookie}
}

// cookieDoors are requests that the key of the cookie allows.
var cookieDoors = []struct {
	request, body string
	status        int    // of the answer to a page that may
	without       int    // of the answer without a credential
	refused       string // what the answer to a foreign page has; "" where it gets the same as a page that may
}{
	{"GET /realtime?until=caught-up", "", 200, 401, ""},
	{"HEAD /realtime", "", 200, 401, ""},
	{"POST /realtime", `{"event":"e"}`, 200, 401, `"code":"cookie_origin_not_allowed"`},
	{"POST /realtime/token", `{"sub":["a"]}`, 200, 401, `"code":"cookie_origin_not_allowed"`},
	{"GET /rest/c", "", 200, 401, ""},
	{"POST /rest/c", `{"a":1}`, 201, 401, `"code":"cookie_origin_not_allowed"`},
	{"PUT /rest/c/one", `{"a":2}`, 200, 401, `"code":"cookie_origin_not_allowed"`},
	{"PATCH /rest/c/one", `{"a":2}`, 200, 401, `"code":"cookie_origin_not_allowed"`},
	{"DELETE /rest/c/one", "", 200, 401, `"code":"cookie_origin_not_allowed"`},
	{"GET /items/c", "", 200, 403, ""},
	{"SEARCH /items/c", `{"query":{"limit":1}}`, 200, 403, ""},
	{"POST /items/c", `{"a":1}`, 200, 403, `"code":"FORBIDDEN"`},
	{"PATCH /items/c/two", `{"a":1}`, 200, 403, `"code":"FORBIDDEN"`},
	{"DELETE /items/c/two", "", 204, 403, `"code":"FORBIDDEN"`},
	{"GET /users/me", "", 200, 401, ""},
	{"GET /db/demo/ns", "", 200, 401, ""},
	{"POST /events", fmt.Sprintf(anEvent, "demo", ""), 201, 401, `{"error":"pages of the origin`},
	{"POST /new", "", 200, 401, `"code":"cookie_origin_not_allowed"`},
	{"GET /room/rrrrrrrrrrrrrrrrrrrr", "", 200, 404, "cookie_origin_not_allowed: "}, // makes the room
}

// TestCookieEverywhere: at every door the cookie is a credential, and a change by it needs the Origin of a page that may.
func TestCookieEverywhere(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withCookie)
	as := client{t, g.Gateway}
	as.database("demo")
	for _, id := range []string{"one", "two"} {
		as.do(keyHeader, "POST", "/items/c", `{"id":"`+id+`"}`, "")
	}
	for _, d := range cookieDoors {
		method, path, _ := strings.Cut(d.request, " ")
		foreign := scenario{Name: d.request + " of a foreign page", Method: method, Path: path, Key: "-", Body: d.body, Headers: sent(evilPage, session), Status: d.status}
		if d.refused != "" {
			foreign.Status, foreign.Has = http.StatusForbidden, []string{d.refused, evilPage}
		}
		foreign.Headers["Content-Type"] = "application/json"
		none, listed := foreign, foreign
		none.Name, none.Headers, none.Status, none.Has = d.request+" without a cookie", sent(appPage, ""), d.without, nil
		listed.Name, listed.Headers, listed.Status, listed.Has = d.request+" of a listed page", sent(appPage, session), d.status, nil
		none.Headers["Content-Type"], listed.Headers["Content-Type"] = "application/json", "application/json"
		if method == http.MethodGet {
			for _, s := range []*scenario{&foreign, &none, &listed} {
				delete(s.Headers, "Content-Type")
			}
		}
		g.RunAll(t, []scenario{foreign, none, listed})
	}
}

// TestCookieBeside: what a request has beside the cookie.
func TestCookieBeside(t *testing.T) {
	t.Parallel()
	const event, refused = `{"event":"e"}`, `"code":"cookie_origin_not_allowed"`
	g := newGateway(t, withCookie)
	own := g.URL // of the gateway's own pages
	g.RunAll(t, []scenario{
		{Name: "the gateway's own page", Key: "-", Body: event, Headers: sent(own, session), Status: 200},
		{Name: "no Origin", Key: "-", Body: event, Headers: sent("", session), Status: 403, Has: []string{refused, "needs the header Origin"}},
		{Name: "null", Key: "-", Body: event, Headers: sent("null", session), Status: 403, Has: []string{refused}},
		{Name: "another port", Key: "-", Body: event, Headers: sent("http://127.0.0.1:1", session), Status: 403, Has: []string{refused}},
		{Name: "a key in a header alone", Key: keyHeader, Body: event, Headers: sent(evilPage, ""), Status: 200},
		{Name: "a key in a header beside another cookie", Key: keyHeader, Body: event, Headers: sent(evilPage, "theme=dark"), Status: 200},
		{Name: "a key in a header beside an empty cookie", Key: keyHeader, Body: event, Headers: sent(evilPage, "session="), Status: 200},
		{Name: "a key in a header beside the cookie", Key: keyHeader, Body: event, Headers: sent(evilPage, session), Status: 403, Has: []string{refused}},
		{Name: "the same in a header", Key: keyCookie, Body: event, Headers: sent(evilPage, session), Status: 200},
		{Name: "an empty cookie", Key: "-", Headers: sent(appPage, "session="), Status: 401, Has: []string{`"code":"missing_credential"`, "in the cookie session"}},
		{Name: "two cookies", Key: "-", Headers: sent(appPage, session+"; session=x"), Status: 400, Has: []string{`"code":"ambiguous_credential"`, "two cookies"}},
		{Name: "a wrong cookie beside a key", Key: keyHeader, Headers: sent(appPage, "session=x"), Status: 401, Has: []string{`"code":"invalid_key"`}},
		{Name: "a key for another page", Key: "-", Headers: sent(otherPage, "session="+gatewaytest.KeyOrigin), Status: 403, Has: []string{`"code":"origin_not_allowed"`}},
		{Name: "a change by a key for another page", Key: "-", Body: event, Headers: sent(otherPage, "session="+gatewaytest.KeyOrigin), Status: 403, Has: []string{`"code":"origin_not_allowed"`}},
		{Name: "a change by a key for the page", Key: "-", Body: event, Headers: sent(appPage, "session="+gatewaytest.KeyOrigin), Status: 200},
	})
	newGateway(t, withCookie, func(s *setup) { s.QueryCredentials = false }).RunAll(t, []scenario{
		{Name: "without credentials in the query", Key: "-", Path: "?until=caught-up", Headers: sent(appPage, session), Status: 200},
	})
	newGateway(t, withCookie, func(s *setup) { s.CredentialCookie = "" }).RunAll(t, []scenario{
		{Name: "without the setting", Key: "-", Headers: sent(appPage, session), Status: 401, Has: []string{`"code":"missing_credential"`}},
	})
}

// TestAdministratorTakesNoCookie: the administrator's key in the cookie opens nothing.
func TestAdministratorTakesNoCookie(t *testing.T) {
	t.Parallel()
	g := newGateway(t, withCookie)
	admin := sent(g.URL, "session="+gatewaytest.AdminKey)
	g.RunAll(t, []scenario{
		{Name: "admin", Path: "/admin/keys", Key: "-", Headers: admin, Status: 401, Has: []string{"invalid_admin_key"}},
		{Name: "a change", Path: "/admin/keys", Key: "-", Body: `{"name":"x"}`, Headers: admin, Status: 401, Has: []string{"invalid_admin_key"}},
		{Name: "a database", Path: "/db", Key: "-", Headers: admin, Status: 401},
	})
}

// TestCookieCORS: pages of listed origins may send cookies, at every door and with every answer, and may send CORS_HEADERS.
func TestCookieCORS(t *testing.T) {
	t.Parallel()
	headers := func(origin, credentials string) map[string]string {
		return map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": credentials, "Vary": "Origin"}
	}
	preflight := func(origin string) map[string]string {
		return map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "traceparent"}
	}
	more := func(s *setup) { s.CORSHeaders = []string{"traceparent", "baggage"} }
	g := newGateway(t, withCookie, more)
	for _, path := range []string{"/realtime", "/realtime/token", "/rest/c", "/new", "/room/x/send", "/db/demo/events", "/events", "/accounts", "/items/m", "/auth/login", "/users/me", "/server/ping"} {
		allowed := scenario{Name: path, Path: path, Method: "OPTIONS", Key: "-", Headers: preflight(appPage), Status: 204, ResponseHeaders: headers(appPage, "true")}
		foreign := scenario{Name: path + " of a foreign page", Path: path, Method: "OPTIONS", Key: "-", Headers: preflight(evilPage), Status: 204, ResponseHeaders: headers("", "")}
		foreign.ResponseHeaders["Access-Control-Allow-Headers"] = ""
		allowed.ResponseHeaders["Access-Control-Allow-Headers"] = "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control, traceparent, baggage"
		if path == "/new" || strings.HasPrefix(path, "/room") {
			allowed.ResponseHeaders["Access-Control-Allow-Headers"] = "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control, Accept, traceparent, baggage"
		}
		g.RunAll(t, []scenario{allowed, foreign})
	}
	g.RunAll(t, []scenario{
		{Name: "an answer", Path: "?until=caught-up", Key: "-", Headers: sent(appPage, session), Status: 200, ResponseHeaders: headers(appPage, "true")},
		{Name: "an error", Key: "-", Headers: sent(appPage, "session=x"), Status: 401, ResponseHeaders: headers(appPage, "true")},
		{Name: "a foreign page", Path: "?until=caught-up", Key: "-", Headers: sent(evilPage, session), Status: 200, ResponseHeaders: headers("", "")},
		{Name: "no page", Path: "?until=caught-up", Key: "-", Headers: sent("", session), Status: 200, ResponseHeaders: headers("", "")},
		{Name: "the administrator's", Path: "/admin/keys", Method: "OPTIONS", Key: "-", Headers: preflight(appPage), Status: 204, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": ""}},
	})
	newGateway(t, withCookie, more, func(s *setup) { s.CORSOrigins = []string{appPage, "*"} }).RunAll(t, []scenario{
		{Name: "pages of any origin", Method: "OPTIONS", Key: "-", Headers: preflight(appPage), Status: 204, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Vary": "",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control, traceparent, baggage"}},
	})
	newGateway(t, withCookie, func(s *setup) { s.CredentialCookie = "" }).RunAll(t, []scenario{
		{Name: "without a cookie", Method: "OPTIONS", Key: "-", Headers: preflight(appPage), Status: 204, ResponseHeaders: headers(appPage, "")},
	})
}

// TestCookieOfSocket: a socket whose request has the cookie has authenticated, in every mode.
func TestCookieOfSocket(t *testing.T) {
	t.Parallel()
	for _, mode := range []config.SocketAuth{config.SocketHandshake, config.SocketPublic, config.SocketStrict} {
		g := newGateway(t, withCookie, func(s *setup) { s.WebSocketAuth = mode })
		dial := func(origin, cookie string) (*gatewaytest.Socket, int) {
			header := http.Header{}
			for name, value := range sent(origin, cookie) {
				if value != "" {
					header.Set(name, value)
				}
			}
			return g.DialSocket(t, "", header)
		}
		for _, origin := range []string{appPage, g.URL} {
			s, status := dial(origin, session)
			if s == nil {
				t.Fatalf("%s: %s: %d", mode, origin, status)
			}
			s.Send(`{"type":"subscribe","collection":"c","uid":"1"}`)
			s.Expect(gatewaytest.SubscriptionMessage("init", "[]", "1"))
			s.Send(`{"type":"auth","access_token":"` + keyHeader + `"}`)
			s.Expect(`{"type":"auth","status":"ok"}`)
			s.WS.Close(websocket.StatusNormalClosure, "")
		}
		for name, d := range map[string]struct {
			origin, cookie string
			status         int
		}{
			"a foreign page": {evilPage, session, 403},
			"null":           {"null", session, 403},
			"no Origin":      {"", session, 403},
			"a wrong cookie": {appPage, "session=x", 401},
		} {
			if s, status := dial(d.origin, d.cookie); s != nil || status != d.status {
				t.Errorf("%s: %s: %d, want %d", mode, name, status, d.status)
			}
		}
		if s, status := dial(evilPage, ""); (s == nil) != (mode == config.SocketStrict) {
			t.Errorf("%s: without the cookie: %d", mode, status)
		}
	}
}

// TestCookieMakesRooms: a room is made for the credential of a page that may, and where anybody may make rooms, a foreign page
// makes one for its address.
func TestCookieMakesRooms(t *testing.T) {
	t.Parallel()
	id := func(letter string) string { return "/room/" + strings.Repeat(letter, 20) }
	newGateway(t, withCookie).RunAll(t, []scenario{
		{Name: "a foreign page", Path: id("a"), Key: "-", Headers: sent(evilPage, session), Status: 403},
		{Name: "no Origin", Path: id("a"), Key: "-", Headers: sent("", session), Status: 403},
		{Name: "it was not made", Path: id("a"), Key: "-", Status: 404},
		{Name: "a listed page", Path: id("a"), Key: "-", Headers: sent(appPage, session), Status: 200},
		{Name: "anybody enters what is there", Path: id("a"), Key: "-", Headers: sent(evilPage, session), Status: 200},
	})
	newGateway(t, withCookie, func(s *setup) { s.RoomCreate, s.RoomCreateRate = config.RoomsOpen, 1 }).RunAll(t, []scenario{
		{Name: "a foreign page, open", Path: id("a"), Key: "-", Headers: sent(evilPage, session), Status: 200},
		{Name: "its address has used up its rate", Path: id("b"), Key: "-", Headers: sent("", session), Status: 429},
		{Name: "the credential has not", Path: id("b"), Key: "-", Headers: sent(appPage, session), Status: 200},
		{Name: "a wrong cookie", Path: id("c"), Key: "-", Headers: sent(appPage, "session=x"), Status: 401},
	})
}

// TestCookieRenewed: a stream whose token is in a cookie ends with the token. The client that comes back with a new cookie
// misses nothing, and one whose cookie is gone is refused.
func TestCookieRenewed(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	g := newGateway(t, withCookie, func(s *setup) { s.JWTSecret = []string{secret} })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	base, err := url.Parse(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	set := func(life time.Duration) { // as an application does, for its own page and the gateway
		claims := jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(life + 999*time.Millisecond).Unix(), "realtime": map[string]any{"sub": []string{"e"}, "pub": []string{"e"}}}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(base, []*http.Cookie{{Name: "session", Value: token, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds()) + 60}})
	}
	// open is what an EventSource with credentials does.
	open := func(last string) (*gatewaytest.Stream, int) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/realtime?channels=e", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/event-stream")
		r.Header.Set("Origin", appPage)
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		transport := g.Client().Transport.(*http.Transport).Clone()
		transport.DialContext = nil
		answer, err := (&http.Client{Transport: transport, Jar: jar}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { answer.Body.Close(); transport.CloseIdleConnections() })
		return &gatewaytest.Stream{Answer: answer}, answer.StatusCode
	}
	publish := func() string {
		status, text := g.Request(t, "POST", "/realtime", `{"event":"e"}`, "x-apikey", keyHeader)
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
		return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), `{"message":"OK","id":"`), `"}`)
	}
	untilExpired := func(s *gatewaytest.Stream, want ...string) string {
		t.Helper()
		var got []string
		for {
			switch e := s.Event(t); e.Name {
			case "expired":
				if e.Data != `{"event":"expired","data":{"reason":"exp"}}` || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s %s, want %s", e.Data, got, want)
				}
				return s.Parser.LastEventID()
			case "e":
				got = append(got, e.ID)
			default:
				if e.Name != "" || !strings.Contains(e.Data, "init") {
					t.Errorf("%+v", e)
				}
			}
		}
	}
	set(2 * time.Second)
	first, status := open("")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	if init := first.Event(t); init.Name != "" {
		t.Fatalf("%+v", init)
	}
	a := publish()
	last := untilExpired(first, a)
	if _, status := open(last); status != http.StatusUnauthorized {
		t.Errorf("the old cookie: %d", status)
	}
	b, c := publish(), publish()
	set(2 * time.Second)
	second, status := open(last)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	last = untilExpired(second, b, c)
	jar.SetCookies(base, []*http.Cookie{{Name: "session", MaxAge: -1}})
	if _, status := open(last); status != http.StatusUnauthorized {
		t.Errorf("without the cookie: %d", status)
	}
}

// TestCookieIsNowhere: neither the log nor a list shows the value of the cookie.
func TestCookieIsNowhere(t *testing.T) {
	t.Parallel()
	text := &sink{}
	g := newGateway(t, withCookie, func(s *setup) {
		s.Logger = slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	g.RunAll(t, []scenario{
		{Name: "a publish", Key: "-", Body: `{"event":"e"}`, Headers: sent(appPage, session), Status: 200, HasNot: []string{keyCookie}},
		{Name: "a foreign page", Key: "-", Body: `{"event":"e"}`, Headers: sent(evilPage, session), Status: 403, HasNot: []string{keyCookie}},
		{Name: "a wrong one", Key: "-", Headers: sent(appPage, "session=wrong-"+keyCookie), Status: 401, HasNot: []string{keyCookie}},
	})
	s := g.Stream(t, "", "", "Cookie", session, "Origin", appPage)
	for _, path := range []string{"/admin/connections", "/admin/audit?until=caught-up", "/metrics"} {
		status, shown := g.Request(t, "GET", path, "", "x-apikey", gatewaytest.AdminKey)
		if status != http.StatusOK || strings.Contains(shown, keyCookie) || path == "/admin/connections" && !strings.Contains(shown, `"who":"cookie"`) {
			t.Errorf("%s: %d %s", path, status, shown)
		}
	}
	s.Answer.Body.Close()
	g.AwaitStreams(t, 0)
	if shown := text.String(); strings.Contains(shown, keyCookie) || !strings.Contains(shown, "cookie_origin_not_allowed") {
		t.Errorf("%s", shown)
	}
}
