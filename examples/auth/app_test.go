// Package auth_test runs the applications of this folder as their READMEs do, each in front of a whole gateway.
package auth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/config"
	"sluice/gateway/gatewaytest"
)

const (
	authSecret = "a secret of at least 32 bytes, for the examples"
	adminKey   = "admin-0123456789abcdef0123456789"
)

func TestMain(m *testing.M) { gatewaytest.Main(m, 0) }

// application is one of the folders: how to start it, and what it needs.
type application struct {
	folder   string
	programs []string // the first that passes the check is taken
	check    []string // arguments with which the program fails where something is missing
	missing  string   // how to get it
	run      []string // arguments that start it; PORT stands for its port, TEMP for a folder
	settings []string // of the gateway, beside those of all
}

// pythons has Debian's too: only that one finds the packages of Debian, and another may be the first in PATH.
var pythons = []string{"python3", "/usr/bin/python3"}

var applications = []application{
	{"flask", pythons, []string{"-c", "import flask"}, "apt-get install python3-flask, or make deps", []string{"app.py"}, nil},
	{"django", pythons, []string{"-c", "import django"}, "apt-get install python3-django, or make deps", []string{"app.py"}, nil},
	{"php", []string{"php"}, []string{"--version"}, "apt-get install php-cli, or make deps", []string{"-d", "session.save_path=TEMP", "-S", "127.0.0.1:PORT", "index.php"}, nil},
	{"sinatra", []string{"ruby"}, []string{"-e", `require "sinatra/base"; require "webrick"`}, "apt-get install ruby-sinatra ruby-webrick, or make deps", []string{"app.rb"}, []string{"AUTH_FORWARD=Cookie, User-Agent"}},
	{"express", []string{"node"}, []string{"--input-type=module", "-e", `import "express-session"`}, "npm ci in examples/auth/express, or make deps", []string{"app.js"}, nil},
	{"go", []string{"go"}, []string{"version"}, "https://go.dev/dl", []string{"run", "."}, nil},
}

// named returns an application by its folder.
func named(folder string) application {
	return applications[slices.IndexFunc(applications, func(a application) bool { return a.folder == folder })]
}

// program finds the program that runs it.
func (a application) program(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, p := range a.programs {
		check := exec.Command(p, a.check...)
		check.Dir = a.folder
		out, err := check.CombinedOutput()
		if err == nil {
			return p
		}
		all = fmt.Appendf(all, "%s: %v\n%s", p, err, out)
	}
	t.Fatalf("%s lacks what it needs: %s\n%s", a.folder, a.missing, all)
	return ""
}

// site is a running application and its gateway.
type site struct {
	*gatewaytest.Gateway
	app string // its address
}

// start starts both. The settings are added to the application's environment.
func start(t *testing.T, a application, environment ...string) *site {
	t.Helper()
	program, port := a.program(t), freePort(t)
	s := &site{app: "http://127.0.0.1:" + port}
	c, err := config.Load(append([]string{
		"ADDR=127.0.0.1:0", "DATA_DIR=memory", "PING_INTERVAL=1m", "API_KEYS=" + gatewaytest.Keys, "ADMIN_KEY=" + adminKey,
		"AUTH_URL=" + s.app + "/realtime-auth", "AUTH_SECRET=" + authSecret, "CORS_ORIGINS=" + s.app, "TRUSTED_PROXIES=127.0.0.1",
	}, a.settings...), "")
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = gatewaytest.Start(t, func(setup *gatewaytest.Setup) { setup.Config = *c })

	temp := t.TempDir()
	args := slices.Clone(a.run)
	for i := range args {
		args[i] = strings.NewReplacer("PORT", port, "TEMP", temp).Replace(args[i])
	}
	if a.folder == "go" { // go run would leave it running
		binary := filepath.Join(temp, "app")
		if out, err := exec.Command(program, "build", "-C", a.folder, "-o", binary, ".").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		program, args = binary, nil
	}
	run(t, a.folder, port, append([]string{"TMPDIR=" + temp, "PORT=" + port, "GATEWAY=" + s.URL, "AUTH_SECRET=" + authSecret, "ADMIN_KEY=" + adminKey}, environment...), program, args...)
	return s
}

// run runs a program until the test ends, and waits until it listens.
func run(t *testing.T, dir, port string, environment []string, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 5*time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s", program, &out)
		}
	})
	gatewaytest.Until(t, func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", program, err)
		default:
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	_, port, err := net.SplitHostPort(probe.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// browser is a visitor of the pages, with cookies.
type browser struct {
	*site
	pages string // the address of the application, or of a proxy in front of it
	http.Client
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{s, s.app, http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, Timeout: gatewaytest.Patience}}
	return b
}

// do sends a request, and returns the status and the text of the answer.
func (b *browser) do(t *testing.T, method, path string, form url.Values, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, b.pages+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.pages)
	}
	r.Header.Set("User-Agent", "browser")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]+)">`)

// submit sends the form of the page at /, with its hidden fields, and returns the page that follows.
func (b *browser) submit(t *testing.T, path string, fields ...string) (int, string) {
	t.Helper()
	_, page := b.do(t, http.MethodGet, "/", nil)
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], m[2])
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.do(t, http.MethodPost, path, form)
}

// login logs in and returns the live page.
func (b *browser) login(t *testing.T, name string) string {
	t.Helper()
	status, page := b.submit(t, "/login", "name", name, "password", name)
	if status != http.StatusOK || !strings.Contains(page, "Log out") {
		t.Fatalf("the login of %s: %d %s", name, status, page)
	}
	return page
}

// cookies is the header Cookie that the browser sends to the application, and to the gateway at another port of its host.
func (b *browser) cookies(t *testing.T) string {
	t.Helper()
	address, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, c := range b.Jar.Cookies(address) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// stream opens the page's EventSource.
func (b *browser) stream(t *testing.T, cookies string) *gatewaytest.Stream {
	t.Helper()
	return b.open(t, b.URL, cookies)
}

// open is stream at another address of the gateway.
func (b *browser) open(t *testing.T, gateway, cookies string) *gatewaytest.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), gatewaytest.Patience)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+"/realtime?frames=publish", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Cookie": cookies, "Origin": b.pages, "User-Agent": "browser", "Accept": "text/event-stream"} {
		r.Header.Set(name, value)
	}
	answer, err := b.Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		answer.Body.Close()
	})
	return &gatewaytest.Stream{Answer: answer}
}
