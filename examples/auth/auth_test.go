package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

// Each application lets its users see their events, and no others, from the login to the logout.
func TestApplications(t *testing.T) {
	t.Parallel()
	for _, a := range applications {
		t.Run(a.folder, func(t *testing.T) {
			t.Parallel()
			s := start(t, a)
			s.signatures(t)
			s.refusals(t)
			s.events(t)
			s.logout(t)
		})
	}
}

// signatures: the application answers to nobody but the gateway.
func (s *site) signatures(t *testing.T) {
	t.Helper()
	now := time.Now().Unix()
	right := question{"GET", "/realtime", "127.0.0.1"}
	for name, one := range map[string]struct {
		signature string
		sent      question
		status    int
	}{
		"right":          {right.sign(authSecret, now), right, http.StatusUnauthorized}, // for nobody is logged in
		"none":           {"", right, http.StatusBadRequest},
		"another form":   {"x", right, http.StatusBadRequest},
		"another secret": {right.sign(authSecret+"x", now), right, http.StatusBadRequest},
		"old":            {right.sign(authSecret, now-302), right, http.StatusBadRequest},
		"from later":     {right.sign(authSecret, now+3600), right, http.StatusBadRequest},
		"another method": {right.sign(authSecret, now), question{"POST", "/realtime", "127.0.0.1"}, http.StatusBadRequest},
		"another path":   {right.sign(authSecret, now), question{"GET", "/other", "127.0.0.1"}, http.StatusBadRequest},
		"another client": {right.sign(authSecret, now), question{"GET", "/realtime", "127.0.0.2"}, http.StatusBadRequest},
	} {
		status, text := s.browser(t).do(t, http.MethodGet, "/realtime-auth", nil,
			"Sluice-Signature", one.signature, "X-Forwarded-Method", one.sent.method, "X-Forwarded-Uri", one.sent.path, "X-Forwarded-For", one.sent.client)
		if status != one.status || !strings.Contains(text, `"message"`) {
			t.Errorf("signature %s: %d %s", name, status, text)
		}
	}
}

// question is what the gateway asks about.
type question struct{ method, path, client string }

// sign makes the header that docs/protocol.md describes.
func (q question) sign(secret string, seconds int64) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d\n%s\n%s\n%s", seconds, q.method, q.path, q.client)
	return fmt.Sprintf("t=%d,v1=%x", seconds, mac.Sum(nil))
}

// refusals: who is not logged in, or may not see live events, gets none, and learns why.
func (s *site) refusals(t *testing.T) {
	t.Helper()
	refused := func(who *browser, status int, message string) {
		t.Helper()
		answer := who.stream(t, who.cookies(t)).Answer
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status || !strings.Contains(string(text), message) {
			t.Errorf("the stream: %d %s %v, not %d %q", answer.StatusCode, text, err, status, message)
		}
	}
	refused(s.browser(t), http.StatusUnauthorized, "log in first")
	wrong := s.browser(t)
	if status, page := wrong.submit(t, "/login", "name", "ann", "password", "bob"); status != http.StatusUnauthorized || !strings.Contains(page, "is wrong") {
		t.Errorf("a wrong password: %d %s", status, page)
	}
	refused(wrong, http.StatusUnauthorized, "log in first")
	bob := s.browser(t)
	bob.login(t, "bob")
	refused(bob, http.StatusForbidden, "your account has no live events")
}

// events: the page's EventSource gets the user's events, and no other's.
func (s *site) events(t *testing.T) {
	t.Helper()
	ann := s.browser(t)
	if page := ann.login(t, "ann"); !strings.Contains(page, "Hello, Ann") || !strings.Contains(page, `EventSource("`+s.URL+`/realtime?`) || strings.Contains(page, "{{") {
		t.Errorf("the live page: %s", page)
	}
	stream := ann.stream(t, ann.cookies(t))
	h := stream.Answer.Header
	if stream.Answer.StatusCode != http.StatusOK || h.Get("Access-Control-Allow-Origin") != s.app || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Fatalf("the stream: %d %v", stream.Answer.StatusCode, h)
	}
	stream.Event(t)
	s.check(t, stream)
	status, _ := s.Request(t, http.MethodPost, "/realtime", `{"event":"news"}`, "Cookie", ann.cookies(t), "Origin", s.app, "User-Agent", "browser")
	if status != http.StatusForbidden {
		t.Errorf("the page may publish: %d", status)
	}
}

// check fails unless the stream gets news and Ann's inbox, and not Bob's.
func (s *site) check(t *testing.T, stream *gatewaytest.Stream) {
	t.Helper()
	s.Publish(t, `[{"event":"inbox-43","data":"for Bob"},{"event":"news","data":"for all"},{"event":"inbox-42","data":"for Ann"}]`)
	for _, want := range []string{`{"event":"news","data":"for all"}`, `{"event":"inbox-42","data":"for Ann"}`} {
		if e := stream.Event(t); e.Name != "publish" || e.Data != want {
			t.Errorf("the stream got %+v, not %s", e, want)
		}
	}
}

// logout: it ends the user's streams at once. What is logged in elsewhere goes on after a new connection, and nobody else can.
func (s *site) logout(t *testing.T) {
	t.Helper()
	here, there := s.browser(t), s.browser(t)
	here.login(t, "ann")
	there.login(t, "ann")
	stolen := here.cookies(t)
	streams := []*gatewaytest.Stream{here.stream(t, stolen), there.stream(t, there.cookies(t))}
	for _, stream := range streams {
		stream.Event(t)
	}
	if status, page := here.submit(t, "/logout"); status != http.StatusOK || !strings.Contains(page, "Log in") {
		t.Errorf("the logout: %d %s", status, page)
	}
	for _, stream := range streams {
		if e := stream.Event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"revoked"}}` {
			t.Errorf("the end: %+v", e)
		}
	}
	for name, cookies := range map[string]string{"the browser's": here.cookies(t), "stolen": stolen} {
		if status := here.stream(t, cookies).Answer.StatusCode; status != http.StatusUnauthorized {
			t.Errorf("%s cookies after the logout: %d", name, status)
		}
	}
	here.login(t, "ann") // in the same second
	for _, b := range []*browser{here, there} {
		stream := b.stream(t, b.cookies(t))
		if stream.Answer.StatusCode != http.StatusOK {
			t.Fatalf("a session beside the one that ended: %d", stream.Answer.StatusCode)
		}
		stream.Event(t)
		s.check(t, stream)
	}
}

// With nginx.conf the pages and the gateway have one origin, and nobody can ask the application in the gateway's place.
func TestOneOrigin(t *testing.T) {
	t.Parallel()
	s := start(t, named("flask"), "REALTIME=/realtime")
	b := s.browser(t)
	b.pages = nginx(t, map[string]string{"127.0.0.1:8000": strings.TrimPrefix(s.app, "http://"), "127.0.0.1:8080": strings.TrimPrefix(s.URL, "http://")})
	if page := b.login(t, "ann"); !strings.Contains(page, `EventSource("/realtime?`) {
		t.Errorf("the live page: %s", page)
	}
	stream := b.open(t, b.pages, b.cookies(t))
	if stream.Answer.StatusCode != http.StatusOK {
		t.Fatalf("the stream: %d", stream.Answer.StatusCode)
	}
	stream.Event(t)
	s.check(t, stream)
	if status, _ := b.do(t, http.MethodGet, "/realtime-auth", nil); status != http.StatusNotFound {
		t.Errorf("the question from outside: %d", status)
	}
	b.submit(t, "/logout")
	if e := stream.Event(t); e.Name != "expired" {
		t.Errorf("the end: %+v", e)
	}
}

// nginx runs one with nginx.conf, with other addresses in it, and returns its address.
func nginx(t *testing.T, addresses map[string]string) string {
	t.Helper()
	text, err := os.ReadFile("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), freePort(t)
	servers := strings.Replace(string(text), "listen 8090;", "listen 127.0.0.1:"+port+";", 1)
	for from, to := range addresses {
		servers = strings.ReplaceAll(servers, from, to)
	}
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log warn;
events {}
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
%[2]s }`, dir, servers)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // make deps installs it
	}
	run(t, dir, port, nil, program, "-p", dir, "-e", filepath.Join(dir, "start.log"), "-c", file)
	return "http://127.0.0.1:" + port
}

// The READMEs differ only in what they say of the application.
func TestReadmes(t *testing.T) {
	t.Parallel()
	var first string
	for _, a := range applications {
		text, err := os.ReadFile(filepath.Join(a.folder, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "\n```sh\n")
		gateway, after, _ := strings.Cut(after, "# the application\ncd examples/auth/"+a.folder+" && ")
		_, visit, _ := strings.Cut(after, "\n```\n")
		visit, _, found := strings.Cut(visit, "a 403.\n")
		for _, setting := range a.settings {
			name, value, _ := strings.Cut(setting, "=")
			line := "export " + name + "='" + value + "'\n"
			found = found && strings.Contains(gateway, line)
			gateway = strings.Replace(gateway, line, "", 1)
		}
		if first == "" {
			first = gateway + visit
		}
		if !found || gateway+visit != first {
			t.Errorf("%s/README.md:\n%s\nThe first says:\n%s", a.folder, gateway+visit, first)
		}
	}
}
