package auth

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth/backend"
	"sluice/auth/grant"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// application decides for a test, without a network.
type application struct {
	mu     sync.Mutex
	answer func(r *http.Request) (status int, body string)
	asked  []*http.Request
}

func (a *application) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r)
	status, body := a.answer(r)
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (a *application) says(status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = func(*http.Request) (int, string) { return status, body }
}

func (a *application) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

const annGrant = `{"subject":"42","name":"Ann","sub":["inbox-42","news"],"pub":["chat"],"rest":["GET:notes"],"ttl":"5m"}`

// decidedBy has the options of an authenticator whose requests an application decides about.
func decidedBy(app *application, o Options) Options {
	if o.Backend.Forward == nil {
		o.Backend.Forward = []string{"Cookie", "Authorization"}
	}
	o.Backend.URL, o.Backend.Transport = "http://127.0.0.1:1/auth", app
	o.Backend.Timeout, o.Backend.Grace, o.Backend.Concurrency = 3*time.Second, time.Minute, 64
	return o
}

// arrive is a request with headers, names and values in turn, from an address.
func (a *Authenticator) arrive(from, target string, headers ...string) (*Identity, *Error) {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	r := &http.Request{Method: http.MethodGet, URL: u, Host: "live.example", Header: http.Header{}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return a.Authenticate(context.Background(), a.Carriers(r, u.Query(), from))
}

// Which requests the application decides about: those without a credential of ours, and those whose only credentials are
// in headers that it gets and none of ours. A credential of ours that is over stays refused.
func TestWhomTheApplicationDecidesAbout(t *testing.T) {
	t.Parallel()
	const unknown, over = "unknown-0123456789abcdef", "old-0123456789abcdef"
	valid, expired := hs(t, `{"exp":9999999999,"sub":"7","realtime":["a"]}`), hs(t, `{"exp":1}`)
	forged := valid[:strings.LastIndex(valid, ".")+1] + "AAAA"
	keys := fmt.Sprintf(`[{"name":"one","key":%q,"sub":["a"]},{"name":"old","key":%q,"expires":"2020-01-01T00:00:00Z"}]`, keyOne, over)
	for _, one := range []struct {
		name, target string
		headers      []string
		want         string // app, or the kind of identity, or a code
	}{
		{"nothing", "/realtime", nil, "app"},
		{"a cookie", "/realtime", []string{"Cookie", "session=1"}, "app"},
		{"a basic user", "/realtime", []string{"Authorization", "Basic eDp5"}, "app"},
		{"an unknown bearer", "/realtime", []string{"Authorization", "Bearer " + unknown}, "app"},
		{"a token of nobody", "/realtime", []string{"Authorization", "Bearer a.b.c"}, "app"},
		{"a forged token", "/realtime", []string{"Authorization", "Bearer " + forged}, "app"},
		{"a token of another audience", "/realtime", []string{"Authorization", "Bearer " + hs(t, `{"exp":9999999999,"aud":"them"}`)}, "app"},
		{"an empty key", "/realtime?apikey=", []string{"X-Apikey", ""}, "app"},

		{"a key", "/realtime", []string{"X-Apikey", keyOne, "Cookie", "session=1"}, "key"},
		{"a key as bearer", "/realtime", []string{"Authorization", "Bearer " + keyOne, "Cookie", "session=1"}, "key"},
		{"a token", "/realtime", []string{"Authorization", "Bearer " + valid, "Cookie", "session=1"}, "jwt"},
		{"an unknown key", "/realtime", []string{"X-Apikey", unknown, "Cookie", "session=1"}, "invalid_key"},
		{"an unknown key in the query", "/realtime?apikey=" + unknown, []string{"Cookie", "session=1"}, "invalid_key"},
		{"a forged token in the query", "/realtime?token=" + forged, []string{"Cookie", "session=1"}, "invalid_token"},
		{"an unknown bearer beside a key", "/realtime", []string{"Authorization", "Bearer " + unknown, "X-Apikey", keyOne}, "invalid_key"},
		{"a token that has expired", "/realtime", []string{"Authorization", "Bearer " + expired, "Cookie", "session=1"}, "expired_token"},
		{"a key that has expired", "/realtime", []string{"Authorization", "Bearer " + over, "Cookie", "session=1"}, "expired_key"},
		{"two bearers", "/realtime", []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, "ambiguous_credential"},
	} {
		app := &application{}
		app.says(200, annGrant)
		a := newAuth(t, decidedBy(app, Options{APIKeys: keys, Secrets: []string{testSecret}, Audience: "", QueryCredentials: true}))
		if strings.Contains(one.name, "audience") {
			a = newAuth(t, decidedBy(app, Options{APIKeys: keys, Secrets: []string{testSecret}, Audience: "us"}))
		}
		for range 2 {
			id, bad := a.arrive("192.0.2.1", one.target, one.headers...)
			got := codeOf(bad)
			if bad == nil {
				got = id.Kind
			}
			if asked := app.questions() > 0; got != one.want || asked != (one.want == "app") || app.questions() > 1 {
				t.Errorf("%s: %s, want %s; %d questions", one.name, got, one.want, app.questions())
			}
		}
	}
	app := &application{}
	app.says(200, annGrant)
	a := newAuth(t, decidedBy(app, Options{APIKeys: keys, Backend: backend.Options{Forward: []string{"Cookie"}}}))
	if _, bad := a.arrive("192.0.2.1", "/realtime", "Authorization", "Bearer "+unknown, "Cookie", "session=1"); codeOf(bad) != "invalid_key" {
		t.Errorf("an unknown bearer where Authorization is not forwarded: %v", bad)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{unknown}}); codeOf(bad) != "invalid_key" {
		t.Errorf("a message of a socket: %v", bad)
	}
	if app.questions() != 0 {
		t.Errorf("%d questions", app.questions())
	}
}

// What the application learns of a request, and what its answer becomes.
func TestApplicationGrants(t *testing.T) {
	t.Parallel()
	app := &application{}
	app.says(200, annGrant)
	a := newAuth(t, decidedBy(app, Options{PublishRate: 2}))
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/rest/a b", RawQuery: "q=secret"}, Host: "live.example", TLS: &tls.ConnectionState{}, Header: http.Header{"Cookie": {"session=1"}, "Origin": {"https://live.example"}}}
	carriers := a.Carriers(r, r.URL.Query(), "192.0.2.1")
	if a.Anonymous(carriers) || !a.Anonymous(a.Carriers(&http.Request{Header: http.Header{}}, nil, "")) {
		t.Error("who is anonymous")
	}
	id, bad := a.Authenticate(context.Background(), carriers)
	if bad != nil {
		t.Fatal(bad)
	}
	if got := fmt.Sprint(id.Name, " ", id.Kind, " ", id.Scope, " ", id.Sub, " ", id.Pub, " ", id.Rest, " ", id.Expires.IsZero(), " ", id.IdempotencyScope()); got != "Ann app app\x0042 inbox-42,news chat GET:notes true app\x0042" {
		t.Errorf("%q", got)
	}
	question := app.asked[0].Header
	for name, want := range map[string]string{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/rest/a%20b", "X-Forwarded-Host": "live.example", "X-Forwarded-Proto": "https", "Cookie": "session=1"} {
		if got := question.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if ok, _ := id.Take(time.Now(), 2); !ok {
		t.Error("it may publish two events")
	}
	other, bad := a.arrive("192.0.2.7", "/realtime", "Cookie", "session=2")
	if bad != nil {
		t.Fatal(bad)
	}
	if ok, _ := other.Take(time.Now(), 1); ok {
		t.Error("PUBLISH_RATE counts for each session instead of each subject")
	}
	if _, _, err := a.Mint(id, grant.Lists{}, time.Minute); err == nil {
		t.Error("it makes tokens")
	}
	app.says(200, `{"subject":"7"}`)
	if id, bad = a.arrive("192.0.2.1", "/realtime", "Cookie", "session=3"); bad != nil || id.Name != "7" || !id.Sub.Empty() {
		t.Errorf("%+v %v", id, bad)
	}
}

// What the application refuses, and what is no answer.
func TestApplicationRefuses(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		status int
		body   string
		want   Error
	}{
		{401, `{"message":"sign in"}`, Error{Status: 401, Code: "application_refused", Message: "sign in"}},
		{403, `{"error":"not for you"}`, Error{Status: 403, Code: "application_refused", Message: "not for you"}},
		{500, ``, *errNoAnswer},
		{200, `{}`, *errNoAnswer},
	} {
		app := &application{}
		app.says(one.status, one.body)
		a := newAuth(t, decidedBy(app, Options{}))
		if _, bad := a.arrive("192.0.2.1", "/realtime"); bad == nil || *bad != one.want {
			t.Errorf("%d %s: %+v", one.status, one.body, bad)
		}
		if _, bad := a.arrive("192.0.2.1", "/realtime", "Cookie", strings.Repeat("x", 16<<10)); bad == nil || bad.Status != 431 || bad.Code != "headers_too_large" {
			t.Errorf("a large cookie: %+v", bad)
		}
	}
}

// Refusals count as wrong tries of the client's address. One without tries is not asked about, unless its session was right
// there before; and then once more only, if it is no more.
func TestRefusedSessionsAreGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := &application{answer: func(r *http.Request) (int, string) {
			if strings.Contains(r.Header.Get("Cookie"), "right") {
				return 200, annGrant
			}
			return 401, ""
		}}
		a, err := New(decidedBy(app, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		is := func(from, session, want string) {
			t.Helper()
			if _, bad := a.arrive(from, "/realtime", "Cookie", session); codeOf(bad) != want {
				t.Fatalf("%s: %v, want %q", session, bad, want)
			}
		}
		is("192.0.2.1", "right-1", "")
		for n := range keyTries.Burst {
			is("192.0.2.1", fmt.Sprint("wrong-", n), "application_refused")
			is("192.0.2.1", fmt.Sprint("wrong-", n), "application_refused") // remembered: it costs nothing
		}
		before := app.questions()
		is("192.0.2.1", "wrong", "too_many_tries")
		is("192.0.2.1", "right-2", "too_many_tries")
		is("192.0.2.1", "right-1", "") // remembered
		if app.questions() != before {
			t.Error("the application was asked")
		}
		is("198.51.100.1", "right-2", "")
		app.mu.Lock()
		app.answer = func(*http.Request) (int, string) { return 401, "" }
		app.mu.Unlock()
		for _, path := range []string{"/rest/a", "/rest/b"} { // right before: it is asked about, until it is refused
			want := map[string]string{"/rest/a": "application_refused", "/rest/b": "too_many_tries"}[path]
			if _, bad := a.arrive("192.0.2.1", path, "Cookie", "right-1"); codeOf(bad) != want {
				t.Errorf("%s: %v, want %s", path, bad, want)
			}
		}
	})
}

// An application that accepts everybody is no way to guess keys without end: after too many unknown credentials, the answer
// to a right one that a person may have made up is that of a wrong one.
func TestApplicationHidesNoGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := &application{}
		app.says(200, annGrant)
		a, err := New(decidedBy(app, Options{APIKeys: fmt.Sprintf(`[{"name":"a","key":%q},{"name":"b","key":%q},{"name":"c","key":%q}]`, keyChosen, keyOther, keyLong)}))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		is := func(key, want string) {
			t.Helper()
			id, bad := a.arrive("192.0.2.1", "/realtime", "Authorization", "Bearer "+key)
			if bad != nil || id.Kind != want {
				t.Fatalf("%s: %+v %v, want %s", key, id, bad, want)
			}
		}
		is(keyChosen, "key")
		for n := range keyTries.Burst {
			is(fmt.Sprint("guess-", n), "app")
		}
		is(keyOther, "app")
		is(keyChosen, "key") // it has come from there before
		is(keyLong, "key")   // nobody can guess it
		time.Sleep(keyTries.Every)
		is(keyOther, "key")
	})
}

// A revocation of a subject ends what its sessions have open, and what is remembered of it. The next request asks anew,
// and gets no answer that may be older.
func TestRevokedSubject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		app := &application{}
		app.says(200, annGrant)
		a, err := New(decidedBy(app, Options{Log: log, TokenSecret: storeSecret}))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { a.Close(); log.Close() }()
		time.Sleep(300 * time.Millisecond)
		id, bad := a.arrive("192.0.2.1", "/realtime", "Cookie", "session=1")
		if bad != nil {
			t.Fatal(bad)
		}
		id.Hold()
		ended := make(chan grant.End, 1)
		stop := id.OnEnd(func(why grant.End) { ended <- why })
		if err := a.Revoke(context.Background(), Revocation{Subject: "7"}); err != nil || id.Ended() != "" {
			t.Fatalf("another subject: %v, %q", err, id.Ended())
		}
		if err := a.Revoke(context.Background(), Revocation{Subject: "42"}); err != nil {
			t.Fatal(err)
		}
		if why := <-ended; why != Revoked {
			t.Errorf("%q", why)
		}
		if over := id.Over(time.Now()); codeOf(over) != "application_refused" {
			t.Errorf("a request that was let in before: %v", over)
		}
		stop()
		id.Release()
		started := time.Now()
		next, bad := a.arrive("192.0.2.1", "/realtime", "Cookie", "session=1")
		if bad != nil || next.Ended() != "" || app.questions() != 3 { // the first of two may be older than the revocation
			t.Fatalf("%v, %d questions", bad, app.questions())
		}
		if took := time.Since(started); took > time.Second || time.Now().Nanosecond() > 100_000_000 {
			t.Errorf("it took %s", took)
		}
		if next, bad = a.arrive("192.0.2.1", "/realtime", "Cookie", "session=1"); bad != nil || next.Ended() != "" || app.questions() != 3 {
			t.Errorf("it is not remembered: %v, %d questions", bad, app.questions())
		}
		app.says(401, `{"message":"signed out"}`)
		if err := a.Revoke(context.Background(), Revocation{Subject: "42"}); err != nil {
			t.Fatal(err)
		}
		if _, bad = a.arrive("192.0.2.1", "/realtime", "Cookie", "session=1"); bad == nil || bad.Message != "signed out" {
			t.Errorf("%v", bad)
		}
	})
}

// A request that was let in changes nothing once its answer is over.
func TestRequestAfterItsAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		app := &application{}
		app.says(200, annGrant)
		a, err := New(decidedBy(app, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		id, bad := a.arrive("192.0.2.1", "/realtime", "Cookie", "session=1")
		if bad != nil {
			t.Fatal(bad)
		}
		if time.Sleep(5*time.Minute - 1); id.Over(time.Now()) != nil {
			t.Error(id.Over(time.Now()))
		}
		if time.Sleep(time.Nanosecond); codeOf(id.Over(time.Now())) != "busy" {
			t.Error(id.Over(time.Now()))
		}
	})
}

// A change that the application may decide about by a cookie needs an Origin that may make changes. Without one it is
// refused before the application is asked, also where an answer is remembered.
func TestChangeByCookieOfTheApplication(t *testing.T) {
	t.Parallel()
	app := &application{}
	app.says(200, annGrant)
	a := newAuth(t, decidedBy(app, Options{Origins: []string{"https://app.example"}}))
	is := func(method, want string, headers ...string) {
		t.Helper()
		r := &http.Request{Method: method, URL: &url.URL{Path: "/realtime"}, Host: "live.example", Header: http.Header{}}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		before := app.questions()
		_, bad := a.Authenticate(context.Background(), a.Carriers(r, nil, "192.0.2.1"))
		if got := codeOf(bad); got != want || want != "" && app.questions() != before {
			t.Errorf("%s %v: %q, want %q; %d questions", method, headers, got, want, app.questions()-before)
		}
	}
	const foreign = "cookie_origin_not_allowed"
	for range 2 {
		is("POST", foreign, "Cookie", "s=1")
		is("POST", foreign, "Cookie", "s=1", "Origin", "https://evil.example")
		is("POST", foreign, "Cookie", "s=1", "Origin", "null")
		is("GET", foreign, "Cookie", "s=1", "Origin", "https://evil.example", "Upgrade", "websocket")
		is("POST", foreign, "Cookie", "s=1", "Origin", "https://evil.example", "Authorization", "Bearer x")
		is("POST", "", "Cookie", "s=1", "Origin", "https://app.example")
		is("POST", "", "Cookie", "s=1", "Origin", "http://live.example")
		is("GET", "", "Cookie", "s=1", "Origin", "https://evil.example")
		is("POST", "", "Authorization", "Bearer x")
		is("POST", "")
	}
}
