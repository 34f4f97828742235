package realtime_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/gatewaytest"
)

// The stream's bytes, to the letter.
func TestStreamBytes(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		for proto, want := range map[string]string{
			"HTTP/1.1": "Connection: keep-alive\r\n",
			"HTTP/1.0": "",
		} {
			c := g.Dial(t, "GET /realtime?channels=PUT:customer "+proto+"\r\nHost: x\r\nX-Apikey: "+gatewaytest.KeyAll+"\r\n\r\n")
			g.AwaitSubscribers(t, 1)
			id := g.Publish(t, `{"event":"PATCH","collection":"customer","data":"577cf185e2039b0900000016"}`)
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
			init := regexp.MustCompile(`:` + strings.Repeat(" ", 1000) + strings.Repeat(" ", 1000) + strings.Repeat(" ", 48) + "\nretry: 2000\nid: [0-9]{16}\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"[A-Za-z0-9_-]{22}\"}\n\n")
			if !strings.Contains(got, frame) || !init.MatchString(got) {
				t.Errorf("%s: %.3000q", proto, got)
			}
			g.AwaitSubscribers(t, 0)
		}
	})
}

func TestSubscribeRefusals(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	patterns := func(n int) string { return "?channels=" + strings.TrimSuffix(strings.Repeat("a,", n), ",") }
	g.RunAll(t, []scenario{
		{Name: "no credential", Key: "-", Status: 401, ResponseHeaders: map[string]string{"WWW-Authenticate": "Bearer"}},
		{Name: "no grant", Key: gatewaytest.KeyNone, Status: 403, Has: []string{"forbidden"}},
		{Name: "empty channels", Path: "?channels=", Status: 400, Has: []string{"channels"}},
		{Name: "bare method", Path: "?channels=put", Status: 400},
		{Name: "empty side", Path: "?channels=put:", Status: 400},
		{Name: "blank", Path: "?channels=a,%20b", Status: 400},
		{Name: "beyond the grant", Key: gatewaytest.KeyPut, Path: "?channels=chat-1,POST:customer", Status: 403, Has: []string{"POST:customer"}},
		{Name: "too many patterns", Path: patterns(101), Status: 400},
		{Name: "too many in several", Path: patterns(50) + "&channels=" + strings.TrimPrefix(patterns(51), "?channels="), Status: 400},
		{Name: "another space", Path: "?channels=$db/x", Status: 403},
		{Name: "frames", Path: "?frames=x", Status: 400, Has: []string{"frames"}},
		{Name: "body", Method: "GET", Path: "", Body: "x", Status: 400, Has: []string{"unexpected_body"}},
		{Name: "head", Method: "HEAD", Status: 200, ResponseHeaders: map[string]string{"Content-Type": "text/event-stream"}},
		{Name: "head of a bad request", Method: "HEAD", Path: "?channels=", Status: 400},
		{Name: "head of a range that is over", Method: "HEAD", Path: "?until=caught-up", Status: 200},
		{Name: "head of who comes back to it", Method: "HEAD", Path: "?from=now&to=2020-01-01T00:00:00Z", Headers: map[string]string{"Last-Event-ID": "1577836800000000"}, Status: 204},
		{Name: "head without a grant", Method: "HEAD", Key: gatewaytest.KeyNone, Status: 403},
		{Name: "options", Method: "OPTIONS", Key: "-", Status: 204, ResponseHeaders: map[string]string{"Allow": "*any*"}},
		{Name: "elsewhere", Path: "/nothing", Key: "-", Status: 404, Has: []string{`"code":"not_found"`}},
	})
	if s := g.Open(t, gatewaytest.KeyAll, patterns(100)); s.Answer.StatusCode != 200 {
		t.Errorf("a hundred patterns: %d", s.Answer.StatusCode)
	}
	if s := g.Open(t, gatewaytest.KeyAll, "?unknown=1"); s.Answer.StatusCode != 200 {
		t.Errorf("an unknown parameter: %d", s.Answer.StatusCode)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	origin := map[string]string{"Origin": "https://a.example"}
	preflight := map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
	newGateway(t).RunAll(t, []scenario{
		{Name: "preflight", Method: "OPTIONS", Key: "-", Headers: preflight, Status: 204, ResponseHeaders: map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "600", "Vary": "",
			"Access-Control-Allow-Headers": "x-apikey, Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control"}},
		{Name: "error", Key: "-", Headers: origin, Status: 401, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*any*"}},
		{Name: "metrics", Path: "/metrics", Headers: origin, Status: 200, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": ""}},
	})
	newGateway(t, func(s *setup) { s.CORSOrigins = []string{"https://b.example"} }).RunAll(t, []scenario{
		{Name: "another origin is served", Method: "HEAD", Headers: origin, Status: 200, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "", "Vary": "Origin"}},
		{Name: "its origin", Method: "HEAD", Headers: map[string]string{"Origin": "https://b.example"}, Status: 200, ResponseHeaders: map[string]string{"Access-Control-Allow-Origin": "https://b.example", "Vary": "Origin"}},
	})
}

func TestPermissionsOnStreams(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		s := g.Stream(t, gatewaytest.KeyPut, "")
		narrow := g.Stream(t, gatewaytest.KeyPut, "?channels=chat-1")
		framed := g.Stream(t, gatewaytest.KeyPublish, "")
		for _, body := range []string{`{"event":"post","collection":"customer"}`, `{"event":"put","collection":"company"}`, `{"event":"goal"}`, `{"event":"put","collection":"customer"}`, `{"event":"chat-2"}`, `{"event":"chat-1","collection":"x"}`} {
			g.Publish(t, body)
		}
		for _, want := range []string{"put", "chat-2", "chat-1"} {
			if got := s.Event(t); got.Name != want {
				t.Errorf("got %s, want %s", got.Name, want)
			}
		}
		if got := narrow.Event(t); got.Name != "chat-1" {
			t.Errorf("narrowed: got %s", got.Name)
		}
		for _, want := range []string{"post", "put", "publish", "put", "publish", "publish"} {
			if got := framed.Event(t); got.Name != want {
				t.Errorf("frames=publish: got %s, want %s", got.Name, want)
			}
		}
	})
}

func TestResumeOverHTTP(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer)
		first := g.Stream(t, gatewaytest.KeyAll, "")
		start := first.Parser.LastEventID()
		a, b := g.Publish(t, `{"event":"a"}`), g.Publish(t, `{"event":"b"}`)
		for name, s := range map[string]*gatewaytest.Stream{
			"header":            g.Stream(t, gatewaytest.KeyAll, "", "Last-Event-ID", start),
			"query":             g.Stream(t, gatewaytest.KeyAll, "?lastEventId="+start),
			"header over query": g.Stream(t, gatewaytest.KeyAll, "?lastEventId="+b, "Last-Event-ID", start),
		} {
			for _, want := range []string{a, b} {
				if got := s.Event(t); got.ID != want {
					t.Errorf("%s: got %s, want %s", name, got.ID, want)
				}
			}
		}
		s := g.Open(t, gatewaytest.KeyAll, "?lastEventId=12")
		init, gap := s.Event(t), s.Event(t)
		if init.ID != "12" || gap.Name != "gap" || gap.ID != b || !strings.Contains(gap.Data, `"reason":"unknown","after":"12"`) {
			t.Errorf("%+v %+v", init, gap)
		}
	})
}

func TestBusy(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.MaxConnections, s.MaxConnectionsPerKey = 3, 1 })
		g.Stream(t, gatewaytest.KeyAll, "")
		g.RunAll(t, []scenario{{Name: "per key", Status: 429, ResponseHeaders: map[string]string{"Retry-After": "*any*"}, Has: []string{"too_many_connections_per_key"}}})
		s := g.Open(t, gatewaytest.KeyAll, "?lastEventId=17", "Accept", "text/event-stream")
		if e := s.Event(t); e.Name != "busy" || e.ID != "17" || !strings.HasPrefix(e.Data, `{"event":"busy","data":{"status":429,`) || e.Retry < 2*time.Second || e.Retry > 10*time.Second {
			t.Errorf("%+v", e)
		}
		if rest, err := io.ReadAll(s.Answer.Body); err != nil || len(rest) > 0 {
			t.Errorf("it goes on: %q %v", rest, err)
		}
		g.Stream(t, gatewaytest.KeyPut, "")
		g.Stream(t, gatewaytest.KeyPublish, "")
		g.RunAll(t, []scenario{
			{Name: "in all", Key: gatewaytest.KeyOrigin, Status: 503, ResponseHeaders: map[string]string{"Retry-After": "*any*"}, Has: []string{"too_many_connections"}},
			{Name: "credentials first", Key: "-", Status: 401, Headers: map[string]string{"Accept": "text/event-stream"}},
		})
	})
}

// A key that is revoked or changed ends its streams within a second; others go on.
func TestKeysReload(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
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
		broken := &seen{text: "cannot be used", came: make(chan struct{})}
		g := newGateway(t, writer, func(s *setup) { s.APIKeysFile, s.Logger = file, slog.New(slog.NewTextHandler(broken, nil)) })
		one, two, three := g.Stream(t, "one-0123456789abcdef", ""), g.Stream(t, "two-0123456789abcdef", ""), g.Stream(t, "three-0123456789abcdef", "")
		write("[{broken")
		<-broken.came // and changes nothing
		write("[" + key("two", "b") + "," + key("three", "*") + "]")
		if e := one.Event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"revoked"}}` {
			t.Errorf("%+v", e)
		}
		if e := two.Event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"changed"}}` || two.Parser.LastEventID() != e.ID {
			t.Errorf("%+v", e)
		}
		g.Publish(t, `{"event":"a"}`)
		if e := three.Event(t); e.Name != "a" {
			t.Errorf("%+v", e)
		}
		if s := g.Open(t, "one-0123456789abcdef", ""); s.Answer.StatusCode != 401 {
			t.Errorf("the revoked key: %d", s.Answer.StatusCode)
		}
	})
}

// HTTP/2 over TLS gives the same streams.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.TLS = true })
	s := g.Stream(t, gatewaytest.KeyAll, "")
	if s.Answer.ProtoMajor != 2 || s.Answer.Header.Get("Connection") != "" {
		t.Errorf("%s %v", s.Answer.Proto, s.Answer.Header)
	}
	id := g.Publish(t, `{"event":"a"}`)
	if e := s.Event(t); e.ID != id {
		t.Errorf("%+v", e)
	}
}

// A client that takes no byte is closed; one that never reads holds nobody up.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.WriteTimeout = 300 * time.Millisecond })
		g.Open(t, gatewaytest.KeyAll, "") // its body is never read
		reader := g.Stream(t, gatewaytest.KeyAll, "?channels=small")
		big := `{"event":"big","data":"` + strings.Repeat("x", 60_000) + `"}`
		for range 100 {
			g.Publish(t, big)
		}
		id := g.Publish(t, `{"event":"small"}`)
		if e := reader.Event(t); e.ID != id {
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
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		secret := strings.Repeat("s", 32)
		g := newGateway(t, writer, func(s *setup) { s.JWTSecret = []string{secret} })
		exp := time.Now().Add(2 * time.Second).Truncate(time.Second)
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"exp": exp.Unix(), "realtime": []string{"a"}}).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		s := g.Open(t, "", "?token="+token)
		if init := s.Event(t); init.Name != "" {
			t.Fatalf("%+v", init)
		}
		if e := s.Event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"exp"}}` {
			t.Errorf("%+v", e)
		}
		if now := time.Now(); now.Before(exp) || now.After(exp.Add(time.Second)) {
			t.Errorf("it ended at %s, exp is %s", now, exp)
		}
		if rest, err := io.ReadAll(s.Answer.Body); err != nil || len(rest) > 0 {
			t.Errorf("it goes on: %q %v", rest, err)
		}
		if again := g.Open(t, "", "?token="+token); again.Answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("the expired token: %d", again.Answer.StatusCode)
		}
	})
}

func TestPingInterval(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.PingInterval = 50 * time.Millisecond })
		got := g.Raw(t, "GET /realtime?channels=none HTTP/1.0\r\nX-Apikey: "+gatewaytest.KeyAll+"\r\n\r\n", 500*time.Millisecond)
		pings := regexp.MustCompile(`event: ping\n(?:id: [0-9]+\n)?data: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n\n`).FindAllString(got, -1)
		if len(pings) < 3 {
			t.Errorf("%d pings in %.3000q", len(pings), got)
		}
	})
}

// seen is a log that waits for a text.
type seen struct {
	text string
	once sync.Once
	came chan struct{}
}

func (s *seen) Write(line []byte) (int, error) {
	if strings.Contains(string(line), s.text) {
		s.once.Do(func() { close(s.came) })
	}
	return len(line), nil
}
