package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/auth"
	"sluice/config"
	"sluice/gateway/gatewaytest"
)

// application is a web application with sessions, behind AUTH_URL.
type application struct {
	*httptest.Server
	mu       sync.Mutex
	sessions map[string]string // to its answers
	down     bool
	takes    time.Duration
	asked    int
	now      int // at the same time
	most     int
}

// grantAll is the answer for a session that may do all at every door.
const grantAll = `{"subject":"42","name":"Ann","sub":["*","*:*","$db/orders"],"pub":["*","*:*","$db/orders"],"rest":["*"],"ttl":"%s"}`

func newApplication(t testing.TB) *application {
	a := &application{sessions: map[string]string{"ann": fmt.Sprintf(grantAll, "1m")}}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.enter(1)
	defer a.enter(-1)
	if a.takes > 0 {
		<-time.After(a.takes)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	session := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, err := r.Cookie("session"); err == nil {
		session = c.Value
	}
	answer := a.sessions[session]
	w.Header().Set("Content-Type", "application/json")
	switch {
	case a.down:
		w.WriteHeader(http.StatusBadGateway)
	case session == "guest":
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"message":"guests may not"}`))
	case answer == "":
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(`{"message":"please sign in"}`))
	default:
		w.Write([]byte(answer))
	}
}

func (a *application) enter(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now += n
	a.most = max(a.most, a.now)
}

func (a *application) mostAtOnce() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most
}

// set changes a session; "" ends it.
func (a *application) set(session, answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[session] = answer
}

func (a *application) goDown(down bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = down
}

func (a *application) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// decides lets an application decide at a gateway.
func (a *application) decides(s *setup) {
	s.AuthURL, s.RoomCreate = a.URL+"/realtime-auth", "key"
}

// At every door the application decides about requests without a credential of ours: it grants, refuses with its own
// message, or gives no answer. A wrong key is ours to refuse.
func TestApplicationAtEveryDoor(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	g := newGateway(t, app.decides)
	if err := g.Databases.Create(t.Context(), "orders", ""); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/realtime", `{"event":"chat","data":1}`, 200},
		{"GET", "/realtime?from=0&until=caught-up", "", 200},
		{"GET", "/rest/notes", "", 200},
		{"POST", "/rest/notes", `{"a":1}`, 201},
		{"GET", "/items/notes", "", 200},
		{"POST", "/items/notes", `{"a":1}`, 200},
		{"GET", "/users/me", "", 200},
		{"POST", "/new", "", 200},
		{"GET", "/room/a-room-of-mine-that-nobody-guesses-0123456789", "", 200},
		{"GET", "/db/orders/ns", "", 200},
		{"POST", "/events", `{"data":{},"meta":{"db":"orders","stream":"s","type":"t"}}`, 201},
	} {
		for _, sent := range []struct {
			headers []string
			status  int
			message string
		}{
			{[]string{"Cookie", "session=eve"}, 401, "please sign in"},
			{[]string{"Cookie", "session=guest"}, 403, "guests may not"},
			{[]string{"Cookie", "session=ann", "X-Apikey", "wrong-0123456789"}, 401, "this API key is not known here"},
			{[]string{"Cookie", "session=ann"}, one.status, ""},
			{[]string{"Authorization", "Bearer ann"}, one.status, ""},
		} {
			status, text := g.Request(t, one.method, one.path, one.body, append(sent.headers, "Origin", g.URL)...)
			if status != sent.status && !(sent.status < 300 && status/100 == 2) || !strings.Contains(text, sent.message) {
				t.Errorf("%s %s with %v: %d %s, want %d %s", one.method, one.path, sent.headers, status, text, sent.status, sent.message)
			}
		}
		app.goDown(true)
		path := strings.Replace(one.path, "/a-room", "/another-room", 1) // one that is there needs no credential
		if status, text := g.Request(t, one.method, path, one.body, "Cookie", "session=new", "Origin", g.URL); status != 503 || !strings.Contains(text, "gives no answer now") {
			t.Errorf("%s %s without an answer: %d %s", one.method, one.path, status, text)
		}
		app.goDown(false)
		before := app.questions()
		status, text := g.Request(t, one.method, one.path, one.body, "Cookie", "session=ann", "Origin", "https://evil.example")
		if change := one.method != "GET"; change && (status != 403 || !strings.Contains(text, "evil.example") || app.questions() != before) {
			t.Errorf("%s %s from a page of another site: %d %s, %d questions", one.method, one.path, status, text, app.questions()-before)
		}
	}
	if status, text := g.Request(t, "GET", "/realtime", "", "Cookie", strings.Repeat("x", 17<<10)); status != 431 || !strings.Contains(text, "headers_too_large") {
		t.Errorf("a large cookie: %d %s", status, text)
	}
	app.goDown(true)
	if status, text := g.Request(t, "GET", "/realtime", "", "Cookie", "session=stream", "Accept", "text/event-stream", "Last-Event-ID", "42"); status != 200 || !strings.Contains(text, "event: busy\nid: 42\n") {
		t.Errorf("an EventSource: %d %s", status, text)
	}
	if status, text := g.Request(t, "GET", "/readyz", ""); status != 200 {
		t.Errorf("the gateway is not ready: %d %s", status, text)
	}
	before := app.questions()
	if status, _ := g.Request(t, "GET", "/admin/keys", "", "Cookie", "session=ann"); status != 401 || app.questions() != before {
		t.Errorf("the administrator's door: %d, %d questions", status, app.questions()-before)
	}
	_, metrics := g.Request(t, "GET", "/metrics", "")
	for _, name := range []string{`sluice_auth_questions_total{outcome="granted"}`, `sluice_auth_questions_total{outcome="refused"}`, `sluice_auth_questions_total{outcome="failed"}`, "sluice_auth_remembered ", "sluice_auth_asking 0", "sluice_auth_waiting 0"} {
		if !strings.Contains(metrics, name) || strings.Contains(metrics, name+" 0\n") {
			t.Errorf("the metrics have no %s", name)
		}
	}
}

// At every kind of stream: it goes on over the end of its answer, and ends when the next answer is narrower, when the
// session ends, when its subject is revoked, and when the application gives no answer for AUTH_GRACE.
func TestApplicationAtEveryStream(t *testing.T) {
	t.Parallel()
	streams := map[string]func(t *testing.T, g *gateway, session string) (end func() string){
		"realtime": func(t *testing.T, g *gateway, session string) func() string {
			s := g.Stream(t, "", "", "Cookie", "session="+session)
			return func() string { return s.Event(t).Data }
		},
		"feed": func(t *testing.T, g *gateway, session string) func() string {
			s := g.OpenAt(t, "", "/db/orders/events", "Cookie", "session="+session, "Accept", "text/event-stream")
			if s.Answer.StatusCode != 200 {
				t.Fatal(s.Answer.Status)
			}
			return func() string {
				for {
					if e := s.Event(t); e.Name == "expired" || e.Name == "error" {
						return e.Data
					}
				}
			}
		},
		"socket": func(t *testing.T, g *gateway, session string) func() string {
			s, status := g.DialSocket(t, "", http.Header{"Cookie": {"session=" + session}, "Origin": {g.URL}})
			if s == nil {
				t.Fatal(status)
			}
			s.Send(`{"type":"subscribe","collection":"notes","uid":"1"}`)
			s.Expect(`{"type":"subscription","event":"init","data":[],"uid":"1"}`)
			return func() string {
				text, err := s.Next()
				return fmt.Sprint(text, err)
			}
		},
	}
	for name, open := range streams {
		for cause, one := range map[string]struct {
			do   func(app *application, g *gateway)
			want string // in the last frame of /realtime
		}{
			"narrower": {func(app *application, _ *gateway) {
				app.set("ann", `{"subject":"42","sub":["news"],"ttl":1}`)
			}, "changed"},
			"ended": {func(app *application, _ *gateway) { app.set("ann", "") }, "revoked"},
			"revoked": {func(app *application, g *gateway) {
				if err := g.Auth.Revoke(context.Background(), auth.Revocation{Subject: "42"}); err != nil {
					panic(err)
				}
			}, "revoked"},
			"down": {func(app *application, _ *gateway) { app.goDown(true) }, "exp"},
		} {
			t.Run(name+" "+cause, func(t *testing.T) {
				t.Parallel()
				gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
					t.Parallel()
					app := newApplication(t)
					app.set("ann", fmt.Sprintf(grantAll, "1s"))
					g := newGateway(t, app.decides, writer, func(s *setup) { s.AuthGrace, s.WebSocketAuthTimeout = time.Second, 20*time.Second })
					if err := g.Databases.Create(t.Context(), "orders", ""); err != nil {
						t.Fatal(err)
					}
					end := open(t, g, "ann")
					gatewaytest.Until(t, func() error { // it is renewed
						if n := app.questions(); n < 4 {
							return fmt.Errorf("%d questions", n)
						}
						return nil
					})
					one.do(app, g)
					started := time.Now()
					got := end()
					if took := time.Since(started); took > 10*time.Second {
						t.Errorf("it ended after %s", took)
					}
					switch {
					case name == "realtime" && !strings.Contains(got, `"reason":"`+one.want+`"`), name == "socket" && !strings.Contains(got, "TOKEN_EXPIRED"):
						t.Errorf("the end is %s, want %s", got, one.want)
					}
				})
			})
		}
	}
}

// Before it has authenticated, a socket of the application's client may still authenticate by a message.
func TestSocketThatTheApplicationRefuses(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	for _, mode := range []config.SocketAuth{config.SocketHandshake, config.SocketPublic, config.SocketStrict} {
		g := newGateway(t, app.decides, gatewaytest.WithDocuments, func(s *setup) { s.WebSocketAuth = mode })
		before := app.questions()
		s, status := g.DialSocket(t, "", nil)
		if mode == config.SocketStrict {
			if s != nil || status != 401 {
				t.Errorf("strict, without a cookie: %d", status)
			}
		} else if s == nil || app.questions() != before {
			t.Errorf("%s, without a cookie: %d, %d questions", mode, status, app.questions()-before)
		}
		s, status = g.DialSocket(t, "", http.Header{"Cookie": {"session=eve"}, "Origin": {g.URL}})
		if mode == config.SocketStrict {
			if s != nil || status != 401 {
				t.Errorf("strict: %d", status)
			}
			continue
		}
		if s == nil {
			t.Fatalf("%s: %d", mode, status)
		}
		s.Send(`{"type":"auth","access_token":"` + gatewaytest.KeyDocs + `"}`)
		s.Expect(`{"type":"auth","status":"ok"}`)
		s, status = g.DialSocket(t, "", http.Header{"Cookie": {"session=ann"}, "Origin": {"https://evil.example"}})
		if s == nil {
			t.Fatalf("%s, another site: %d", mode, status)
		}
		s.Send(`{"type":"subscribe","collection":"notes","uid":"1"}`)
		if text, err := s.Next(); strings.Contains(text, "subscription") { // it is nobody
			t.Errorf("%s, another site: %s %v", mode, text, err)
		}
		app.goDown(true)
		if s, status = g.DialSocket(t, "", http.Header{"Cookie": {"session=other"}, "Origin": {g.URL}}); s != nil || status != 503 {
			t.Errorf("%s, the application is down: %d", mode, status)
		}
		app.goDown(false)
	}
}

// Pages of origins that are listed by name may send cookies, if the application gets them.
func TestPagesSendCookiesToTheApplication(t *testing.T) {
	t.Parallel()
	app := newApplication(t)
	for _, one := range []struct {
		origins, forward []string
		want             string
	}{
		{[]string{"https://app.example"}, []string{"cookie", "Authorization"}, "true"},
		{[]string{"https://app.example"}, []string{"Authorization"}, ""},
		{[]string{"*"}, []string{"Cookie", "Authorization"}, ""},
	} {
		g := newGateway(t, app.decides, func(s *setup) { s.CORSOrigins, s.AuthForward = one.origins, one.forward })
		s := g.Open(t, "", "", "Cookie", "session=ann", "Authorization", "Bearer ann", "Origin", "https://app.example")
		if got := s.Answer.Header.Get("Access-Control-Allow-Credentials"); s.Answer.StatusCode != 200 || got != one.want {
			t.Errorf("%+v: %d %q", one, s.Answer.StatusCode, got)
		}
	}
}
