package handlers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/broker/sse/ssetest"
)

// stream is an open GET, parsed by a parser that shares nothing with the encoder.
type stream struct {
	answer *http.Response
	parser ssetest.Parser
	queue  []ssetest.Event
	bytes  []byte
}

// stream opens one and reads its init.
func (g *gateway) stream(t testing.TB, key, query string, headers ...string) *stream {
	t.Helper()
	s := g.open(t, key, query, headers...)
	if s.answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", s.answer.StatusCode)
	}
	if init := s.event(t); init.Name != "" || init.Data != `{"channel":"init","data":{}}` {
		t.Fatalf("the first frame is %+v", init)
	}
	return s
}

func (g *gateway) open(t testing.TB, key, query string, headers ...string) *stream {
	t.Helper()
	return g.openAt(t, key, "/realtime"+query, headers...)
}

func (g *gateway) openAt(t testing.TB, key, path string, headers ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", key)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	// Connections of its own: the gateway closes one whose stream it has ended, and a publish that took it at
	// that very moment would be lost with it.
	transport := g.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = nil // it holds on to the gateway
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		answer.Body.Close()
		transport.CloseIdleConnections()
	})
	return &stream{answer: answer}
}

// event is the next event but pings.
func (s *stream) event(t testing.TB) ssetest.Event {
	t.Helper()
	for {
		if len(s.queue) > 0 {
			e := s.queue[0]
			if s.queue = s.queue[1:]; e.Name == "ping" {
				continue
			}
			return e
		}
		buf := make([]byte, 4096)
		n, err := s.answer.Body.Read(buf)
		s.bytes = append(s.bytes, buf[:n]...)
		events, perr := s.parser.Feed(buf[:n])
		s.queue = append(s.queue, events...)
		if (err != nil || perr != nil) && len(s.queue) == 0 {
			t.Fatalf("the stream ended: %v %v after %.300q", err, perr, s.bytes)
		}
	}
}

func (g *gateway) publish(t testing.TB, body string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, g.URL+"/realtime", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", keyAll)
	r.Header.Set("Content-Type", "application/json")
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", body, answer.StatusCode, text, err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(text)), ok1), `"}`)
}

// The stream's bytes, to the letter.
func TestStreamBytes(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		for proto, want := range map[string]string{
			"HTTP/1.1": "Connection: keep-alive\r\n",
			"HTTP/1.0": "",
		} {
			c := dial(t, g, "GET /realtime?channels=PUT:customer "+proto+"\r\nHost: x\r\nX-Apikey: "+keyAll+"\r\n\r\n")
			g.await(t, 1)
			id := g.publish(t, `{"event":"PATCH","collection":"customer","data":"577cf185e2039b0900000016"}`)
			got := ""
			for buf := make([]byte, 4096); !strings.Contains(got, "retry: 10000\n\n"); {
				n, err := c.Read(buf)
				if got += string(buf[:n]); err != nil {
					t.Fatalf("%s: %v after %q", proto, err, got)
				}
			}
			c.Close()
			for _, line := range []string{"Content-Type: text/event-stream\r\n", "Cache-Control: no-cache, no-store, no-transform\r\n", "X-Accel-Buffering: no\r\n", want} {
				if !strings.Contains(got, line) {
					t.Errorf("%s: no %q in %.600q", proto, line, got)
				}
			}
			if strings.Contains(got, "keep-alive") != (want != "") {
				t.Errorf("%s: %.600q", proto, got)
			}
			frame := fmt.Sprintf("id: %s\nevent: put\ndata: {\"event\":\"put\",\"collection\":\"customer\",\"data\":\"577cf185e2039b0900000016\"}\nretry: 10000\n\n", id)
			init := regexp.MustCompile(`:` + strings.Repeat(" ", 1000) + strings.Repeat(" ", 1000) + strings.Repeat(" ", 48) + "\nretry: 2000\nid: [0-9]{16}\ndata: {\"channel\":\"init\",\"data\":{}}\n\n")
			if !strings.Contains(got, frame) || !init.MatchString(got) {
				t.Errorf("%s: %.3000q", proto, got)
			}
			g.await(t, 0)
		}
	})
}

func TestSubscribeRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	patterns := func(n int) string { return "?channels=" + strings.TrimSuffix(strings.Repeat("a,", n), ",") }
	runAll(t, g, []scenario{
		{Name: "no credential", Key: "-", Status: 401, Answers: map[string]string{"WWW-Authenticate": "Bearer"}},
		{Name: "no grant", Key: keyNone, Status: 403, Has: []string{"forbidden"}},
		{Name: "empty channels", Path: "?channels=", Status: 400, Has: []string{"channels"}},
		{Name: "bare method", Path: "?channels=put", Status: 400},
		{Name: "empty side", Path: "?channels=put:", Status: 400},
		{Name: "blank", Path: "?channels=a,%20b", Status: 400},
		{Name: "beyond the grant", Key: keyPut, Path: "?channels=chat-1,POST:customer", Status: 403, Has: []string{"POST:customer"}},
		{Name: "too many patterns", Path: patterns(101), Status: 400},
		{Name: "too many in several", Path: patterns(50) + "&channels=" + strings.TrimPrefix(patterns(51), "?channels="), Status: 400},
		{Name: "another space", Path: "?channels=$db/x", Status: 403},
		{Name: "frames", Path: "?frames=x", Status: 400, Has: []string{"frames"}},
		{Name: "body", Method: "GET", Path: "", Body: "x", Status: 400, Has: []string{"unexpected_body"}},
		{Name: "head", Method: "HEAD", Status: 200, Answers: map[string]string{"Content-Type": "text/event-stream"}},
		{Name: "head of a bad request", Method: "HEAD", Path: "?channels=", Status: 400},
		{Name: "head of a range that is over", Method: "HEAD", Path: "?until=caught-up", Status: 200},
		{Name: "head of who comes back to it", Method: "HEAD", Path: "?from=now&to=2020-01-01T00:00:00Z", Headers: map[string]string{"Last-Event-ID": "1577836800000000"}, Status: 204},
		{Name: "head without a grant", Method: "HEAD", Key: keyNone, Status: 403},
		{Name: "options", Method: "OPTIONS", Key: "-", Status: 204, Answers: map[string]string{"Allow": "*any*"}},
		{Name: "elsewhere", Path: "/nothing", Key: "-", Status: 404, Has: []string{`"code":"not_found"`}},
	})
	if s := g.open(t, keyAll, patterns(100)); s.answer.StatusCode != 200 {
		t.Errorf("a hundred patterns: %d", s.answer.StatusCode)
	}
	if s := g.open(t, keyAll, "?unknown=1"); s.answer.StatusCode != 200 {
		t.Errorf("an unknown parameter: %d", s.answer.StatusCode)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	origin := map[string]string{"Origin": "https://a.example"}
	preflight := map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
	runAll(t, newGateway(t), []scenario{
		{Name: "preflight", Method: "OPTIONS", Key: "-", Headers: preflight, Status: 204, Answers: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "600", "Vary": "",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"}},
		{Name: "error", Key: "-", Headers: origin, Status: 401, Answers: map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*any*"}},
		{Name: "metrics", Path: "/metrics", Headers: origin, Status: 200, Answers: map[string]string{"Access-Control-Allow-Origin": ""}},
	})
	runAll(t, newGateway(t, func(s *setup) { s.CORSOrigins = []string{"https://b.example"} }), []scenario{
		{Name: "another origin is served", Method: "HEAD", Headers: origin, Status: 200, Answers: map[string]string{"Access-Control-Allow-Origin": "", "Vary": "Origin"}},
		{Name: "its origin", Method: "HEAD", Headers: map[string]string{"Origin": "https://b.example"}, Status: 200, Answers: map[string]string{"Access-Control-Allow-Origin": "https://b.example", "Vary": "Origin"}},
	})
}

func TestPermissionsOnStreams(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		s := g.stream(t, keyPut, "")
		narrow := g.stream(t, keyPut, "?channels=chat-1")
		framed := g.stream(t, keyPublish, "")
		for _, body := range []string{`{"event":"post","collection":"customer"}`, `{"event":"put","collection":"company"}`, `{"event":"goal"}`, `{"event":"put","collection":"customer"}`, `{"event":"chat-2"}`, `{"event":"chat-1","collection":"x"}`} {
			g.publish(t, body)
		}
		for _, want := range []string{"put", "chat-2", "chat-1"} {
			if got := s.event(t); got.Name != want {
				t.Errorf("got %s, want %s", got.Name, want)
			}
		}
		if got := narrow.event(t); got.Name != "chat-1" {
			t.Errorf("narrowed: got %s", got.Name)
		}
		for _, want := range []string{"post", "put", "publish", "put", "publish", "publish"} {
			if got := framed.event(t); got.Name != want {
				t.Errorf("frames=publish: got %s, want %s", got.Name, want)
			}
		}
	})
}

func TestResumeOverHTTP(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		first := g.stream(t, keyAll, "")
		start := first.parser.LastEventID()
		a, b := g.publish(t, `{"event":"a"}`), g.publish(t, `{"event":"b"}`)
		for name, s := range map[string]*stream{
			"header":            g.stream(t, keyAll, "", "Last-Event-ID", start),
			"query":             g.stream(t, keyAll, "?lastEventId="+start),
			"header over query": g.stream(t, keyAll, "?lastEventId="+b, "Last-Event-ID", start),
		} {
			for _, want := range []string{a, b} {
				if got := s.event(t); got.ID != want {
					t.Errorf("%s: got %s, want %s", name, got.ID, want)
				}
			}
		}
		s := g.open(t, keyAll, "?lastEventId=12")
		init, gap := s.event(t), s.event(t)
		if init.ID != "12" || gap.Name != "gap" || gap.ID != b || !strings.Contains(gap.Data, `"reason":"unknown","after":"12"`) {
			t.Errorf("%+v %+v", init, gap)
		}
	})
}

func TestBusy(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.MaxConnections, s.MaxConnectionsPerKey = 3, 1 })
		g.stream(t, keyAll, "")
		runAll(t, g, []scenario{{Name: "per key", Status: 429, Answers: map[string]string{"Retry-After": "*any*"}, Has: []string{"too_many_connections_per_key"}}})
		s := g.open(t, keyAll, "?lastEventId=17", "Accept", "text/event-stream")
		if e := s.event(t); e.Name != "busy" || e.ID != "17" || !strings.HasPrefix(e.Data, `{"event":"busy","data":{"status":429,`) || e.Retry < 2*time.Second || e.Retry > 10*time.Second {
			t.Errorf("%+v", e)
		}
		if rest, err := io.ReadAll(s.answer.Body); err != nil || len(rest) > 0 {
			t.Errorf("it goes on: %q %v", rest, err)
		}
		g.stream(t, keyPut, "")
		g.stream(t, keyPublish, "")
		runAll(t, g, []scenario{
			{Name: "in all", Key: keyOrigin, Status: 503, Answers: map[string]string{"Retry-After": "*any*"}, Has: []string{"too_many_connections"}},
			{Name: "credentials first", Key: "-", Status: 401, Headers: map[string]string{"Accept": "text/event-stream"}},
		})
	})
}

// A key that is revoked or changed ends its streams within a second; others go on.
func TestKeysReload(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		file := filepath.Join(t.TempDir(), "keys.json")
		write := func(keys string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		key := func(name, sub string) string {
			return fmt.Sprintf(`{"name":%q,"key":"%s-0123456789abcdef","sub":[%q]}`, name, name, sub)
		}
		write("[" + key("one", "a") + "," + key("two", "a") + "," + key("three", "*") + "]")
		g := newGateway(t, writer, func(s *setup) { s.APIKeysFile = file })
		one, two, three := g.stream(t, "one-0123456789abcdef", ""), g.stream(t, "two-0123456789abcdef", ""), g.stream(t, "three-0123456789abcdef", "")
		write("[{broken")
		time.Sleep(600 * time.Millisecond) // the broken file is seen, and changes nothing
		write("[" + key("two", "b") + "," + key("three", "*") + "]")
		if e := one.event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"revoked"}}` {
			t.Errorf("%+v", e)
		}
		if e := two.event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"changed"}}` || two.parser.LastEventID() != e.ID {
			t.Errorf("%+v", e)
		}
		g.publish(t, `{"event":"a"}`)
		if e := three.event(t); e.Name != "a" {
			t.Errorf("%+v", e)
		}
		if s := g.open(t, "one-0123456789abcdef", ""); s.answer.StatusCode != 401 {
			t.Errorf("the revoked key: %d", s.answer.StatusCode)
		}
	})
}

// HTTP/2 over TLS gives the same streams.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.TLS = true })
	s := g.stream(t, keyAll, "")
	if s.answer.ProtoMajor != 2 || s.answer.Header.Get("Connection") != "" {
		t.Errorf("%s %v", s.answer.Proto, s.answer.Header)
	}
	id := g.publish(t, `{"event":"a"}`)
	if e := s.event(t); e.ID != id {
		t.Errorf("%+v", e)
	}
}

// A client that takes no byte is closed; one that never reads holds nobody up.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = 300 * time.Millisecond })
		g.open(t, keyAll, "") // its body is never read
		reader := g.stream(t, keyAll, "?channels=small")
		big := `{"event":"big","data":"` + strings.Repeat("x", 60_000) + `"}`
		for range 100 {
			g.publish(t, big)
		}
		id := g.publish(t, `{"event":"small"}`)
		if e := reader.event(t); e.ID != id {
			t.Errorf("%+v", e)
		}
		for deadline := time.Now().Add(20 * time.Second); g.Broker.Count() > 1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the stalled connection is still open")
			}
		}
	})
}

// A stream ends exactly when its token does, with a frame that says so.
func TestTokenExpiresOnStream(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		secret := strings.Repeat("s", 32)
		g := newGateway(t, writer, func(s *setup) { s.JWTSecret = []string{secret} })
		exp := time.Now().Add(2 * time.Second).Truncate(time.Second)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": exp.Unix(), "realtime": []string{"a"}}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		s := g.open(t, "", "?token="+token)
		if init := s.event(t); init.Name != "" {
			t.Fatalf("%+v", init)
		}
		if e := s.event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"exp"}}` {
			t.Errorf("%+v", e)
		}
		if now := time.Now(); now.Before(exp) || now.After(exp.Add(time.Second)) {
			t.Errorf("it ended at %s, exp is %s", now, exp)
		}
		if rest, err := io.ReadAll(s.answer.Body); err != nil || len(rest) > 0 {
			t.Errorf("it goes on: %q %v", rest, err)
		}
		if again := g.open(t, "", "?token="+token); again.answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("the expired token: %d", again.answer.StatusCode)
		}
	})
}

func TestPingInterval(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.PingInterval = 50 * time.Millisecond })
		got := g.Raw(t, "GET /realtime?channels=none HTTP/1.0\r\nX-Apikey: "+keyAll+"\r\n\r\n", 500*time.Millisecond)
		pings := regexp.MustCompile(`event: ping\n(?:id: [0-9]+\n)?data: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n\n`).FindAllString(got, -1)
		if len(pings) < 3 {
			t.Errorf("%d pings in %.3000q", len(pings), got)
		}
	})
}
