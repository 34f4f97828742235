package backend

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience is the time for an answer that comes, on a busy machine.
const patience = 30 * time.Second

// serve opens a Backend for an application on the network.
func serve(t *testing.T, app http.HandlerFunc, change ...func(*Options)) *Backend {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	b := New(options(append([]func(*Options){func(o *Options) { o.URL, o.Timeout = server.URL+"/realtime-auth?tenant=secret", patience }}, change...)...))
	t.Cleanup(b.Close)
	return b
}

const secret = "0123456789abcdef0123456789abcdef"

// signedBy checks the signature of a question as an application does.
func signedBy(secret string, r *http.Request, now time.Time) error {
	at, mac, ok := strings.Cut(strings.TrimPrefix(r.Header.Get(Signature), "t="), ",v1=")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > time.Minute {
		return fmt.Errorf("%q", r.Header.Get(Signature))
	}
	want := hmac.New(sha256.New, []byte(secret))
	want.Write([]byte(at + "\n" + r.Header.Get("X-Forwarded-Method") + "\n" + r.Header.Get("X-Forwarded-Uri") + "\n" + r.Header.Get("X-Forwarded-For")))
	got, err := hex.DecodeString(mac)
	if err != nil || !hmac.Equal(got, want.Sum(nil)) {
		return errors.New("the signature is wrong")
	}
	return nil
}

// What the application gets: the headers of AUTH_FORWARD, what the request asks for, and a signature. Nothing else of the
// client.
func TestQuestion(t *testing.T) {
	t.Parallel()
	for _, signed := range []bool{false, true} {
		var got atomic.Pointer[http.Request]
		b := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got.Store(r.Clone(t.Context()))
			w.Write([]byte(ann))
		}, func(o *Options) {
			if o.Forward = append(o.Forward, "Accept-Language"); signed {
				o.Secret = secret
			}
		})
		q := &Question{From: "2001:db8::1", Method: "POST", Path: "/rest/b%C3%BC%20cher", Host: "live.example:8443", Proto: "https", Header: http.Header{
			"Cookie": {"a=1; b=2", "c=3"}, "Authorization": {"Bearer x.y.z"}, "X-Apikey": {"key"}, "X-Forwarded-For": {"192.0.2.99"}, "X-Forwarded-Uri": {"/x"},
			"Sluice-Signature": {"t=1,v1=00"}, "Accept": {"text/event-stream"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"de"}, "Content-Length": {"7"}, "User-Agent": {"browser"},
		}}
		if _, what := b.outcome(q); what != "42" {
			t.Fatal(what)
		}
		r := got.Load()
		want := http.Header{
			"Cookie": {"a=1; b=2", "c=3"}, "Authorization": {"Bearer x.y.z"}, "Accept-Language": {"de"}, "Accept": {"application/json"}, "Accept-Encoding": {"identity"},
			"User-Agent": {"sluice"}, "X-Forwarded-For": {"2001:db8::1"}, "X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"/rest/b%C3%BC%20cher"},
			"X-Forwarded-Host": {"live.example:8443"}, "X-Forwarded-Proto": {"https"},
		}
		if signed {
			if err := signedBy(secret, r, time.Now()); err != nil {
				t.Error(err)
			}
			if signedBy(secret+"x", r, time.Now()) == nil || signedBy(secret, r, time.Now().Add(time.Hour)) == nil {
				t.Error("the test does not check signatures")
			}
			want[Signature] = r.Header[Signature]
		}
		if r.Method != http.MethodGet || r.URL.String() != "/realtime-auth?tenant=secret" || r.ContentLength != 0 {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if !maps.EqualFunc(r.Header, want, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
			t.Errorf("got %v\nwant %v", r.Header, want)
		}
	}
}

// bomb is a gigabyte of zeros, compressed to a megabyte.
func bomb() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	block := make([]byte, 1<<20)
	for range 1 << 6 {
		z.Write(block)
	}
	z.Close()
	return b.Bytes()
}

// What an application can answer that is no answer. The log says why, and has neither the address nor what was sent.
func TestLies(t *testing.T) {
	t.Parallel()
	text := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	gzipped, elsewhere := bomb(), &atomic.Int32{}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		w.Write([]byte(ann))
	}))
	t.Cleanup(other.Close)
	for name, one := range map[string]struct {
		app  http.HandlerFunc
		want string // a message, or trouble:
		log  string
	}{
		"HTML":           {text(200, "text/html", "<!doctype html><title>Sign in</title>"), "", "it is no JSON object"},
		"a list":         {text(200, "application/json", "[]"), "", "it is no JSON object"},
		"nothing":        {text(200, "application/json", ""), "", "it is no JSON object"},
		"wrong types":    {text(200, "application/json", `{"subject":42}`), "", "its subject must be a string, not a number"},
		"a field twice":  {text(200, "application/json", `{"subject":"42","subject":"43"}`), "", "a field occurs twice"},
		"70 KiB":         {text(200, "application/json", `{"subject":"42","x":"`+strings.Repeat("x", 70<<10)+`"}`), "", "over 65536 bytes"},
		"another status": {text(201, "application/json", ann), "", "the answer is 201 Created"},
		"no content":     {text(204, "application/json", ""), "", "the answer is 204 No Content"},
		"a fault":        {text(500, "text/plain", "at line 7 of /srv/app.py"), "", "the answer is 500 Internal Server Error"},
		"not found":      {text(404, "text/plain", "nothing here"), "", "the answer is 404"},
		"a redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, "", "the answer is 302 Found"},
		"another redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/realtime-auth", http.StatusTemporaryRedirect)
		}, "", "the answer is 307"},
		"a bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gzipped[:min(len(gzipped), 60<<10)])
		}, "", "Content-Encoding"},
		"a slow body": {func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(`{"subject":`))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "", "no whole answer within AUTH_TIMEOUT"},
		"a body without an end": {func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte(ann))
			for r.Context().Err() == nil {
				w.Write(make([]byte, 32<<10))
			}
		}, "", "over 65536 bytes"},
		"a cut body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(ann))
		}, "", "unexpected EOF"},
		"a large head": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 70<<10))
			w.Write([]byte(ann))
		}, "", "server response headers exceeded"},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "EOF"},

		"a refusal":               {text(401, "application/json", `{"message":"Your session\n has  expired."}`), "Your session has expired.", ""},
		"a refusal in plain text": {text(403, "text/plain; charset=utf-8", "Not for guests.\n"), "Not for guests.", ""},
		"a refusal as HTML":       {text(403, "text/html", "<h1>No</h1>"), "the application does not allow this request", ""},
		"a refusal with HTML":     {text(401, "application/json", `{"message":"<script>alert(1)</script>"}`), "the application does not know who sent this request: sign in there", ""},
		"a refusal of 70 KiB":     {text(401, "text/plain", strings.Repeat("x", 70<<10)), "the application does not know who sent this request: sign in there", ""},
		"a refusal whose body stalls": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "the application does not allow this request", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			b := serve(t, one.app, func(o *Options) {
				o.Logger, o.Secret = slog.New(slog.NewTextHandler(&log, nil)), secret
				if strings.Contains(name, "slow") || strings.Contains(name, "stalls") {
					o.Timeout = 500 * time.Millisecond
				}
			})
			q := of("the-session")
			q.Header.Set("Authorization", "Bearer the-token")
			_, what := b.outcome(q)
			if one.log != "" {
				one.want = ErrTrouble.Error()
			}
			if what != one.want || !strings.Contains(log.String(), one.log) || one.log == "" && log.Len() > 0 {
				t.Errorf("%q, want %q; the log: %s", what, one.want, &log)
			}
			for _, s := range []string{"the-session", "the-token", "tenant", secret, "127.0.0.1", "app.py", "192.0.2.1", "/realtime"} {
				if strings.Contains(log.String(), s) {
					t.Errorf("the log has %s: %s", s, &log)
				}
			}
		})
	}
	t.Cleanup(func() {
		if elsewhere.Load() != 0 {
			t.Error("a redirect was followed")
		}
	})
}

// An application whose certificate nobody has signed gets no question.
func TestCertificateIsChecked(t *testing.T) {
	t.Parallel()
	asked := atomic.Int32{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Write([]byte(ann))
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	var log bytes.Buffer
	b := New(options(func(o *Options) {
		o.URL, o.Timeout, o.Logger = server.URL, patience, slog.New(slog.NewTextHandler(&log, nil))
	}))
	t.Cleanup(b.Close)
	if _, what := b.outcome(of("ann")); what != ErrTrouble.Error() || asked.Load() != 0 || !strings.Contains(log.String(), "certificate") {
		t.Errorf("%q, %d questions: %s", what, asked.Load(), &log)
	}
	trusting := New(options(func(o *Options) { o.URL, o.Timeout, o.Transport = server.URL, patience, server.Client().Transport }))
	t.Cleanup(trusting.Close)
	if _, what := trusting.outcome(of("ann")); what != "42" {
		t.Errorf("one with a certificate that is trusted: %q", what)
	}
}

// The log has a line in ten seconds about an application that fails, with the number of failures since, and one when it
// answers again.
func TestTroubleIsLoggedSeldom(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Cookie"), "bad") {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Write([]byte(ann))
	}, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for n := range 100 {
		b.is(t, fmt.Sprint("bad", n), ErrTrouble.Error())
		b.is(t, fmt.Sprint("good", n), "42")
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "502 Bad Gateway") || !strings.Contains(log.String(), "answers again") {
		t.Errorf("%d lines: %s", n, &log)
	}
	b.troubles.next = time.Time{}
	b.is(t, "bad again", ErrTrouble.Error())
	if !strings.Contains(log.String(), "more_since_last_line=99") {
		t.Errorf("%s", &log)
	}
}
