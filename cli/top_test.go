package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"sluice/client"
)

// The page of any size fits its terminal, and what clients have named is harmless on it.
func TestPageFits(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	w := &watch{base: "http://127.0.0.1:8080", has: true, sort: "lag", history: []float64{0, 1, 5, 2}, trouble: errors.New("no gateway answers")}
	w.now.Time, w.now.Started = at, at.Add(-50*time.Hour)
	w.now.Events, w.now.EventsRate, w.now.Connections, w.now.Lagging, w.now.LagMS = 1234567, 12.6, 3000, 2, 4200
	w.now.ByKind = map[string]map[string]int{"room_socket": {"tls": 4}, "stream": {"clear": 2900, "tls": 96}}
	w.now.Log.Bytes, w.now.Log.RetainBytes, w.now.Log.Events, w.now.Log.OldestSeconds, w.now.Log.RetainSeconds = 3<<30, 4<<30, 99, 7260, 259200
	w.now.Log.Error = "the disk is full"
	for i := range 50 {
		w.clients = append(w.clients, topClient{ID: fmt.Sprint(i), Who: "evil\x1b[2J\nname", Kind: "key", From: "192.0.2.7", Node: "b", Channels: "\u009bPUT:x", Since: at.Add(-time.Hour), LagMS: int64(i) * 100})
	}
	for width := labelWidth; width < 200; width++ {
		for _, height := range []int{0, 1, 2, 5, 10, 11, 12, 23, 60, 100} {
			lines := w.page(width, height)
			if len(lines) > height {
				t.Fatalf("%d lines in a height of %d", len(lines), height)
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) > width || strings.ContainsAny(line, "\x1b\n\u009b") {
					t.Fatalf("in a width of %d: %q", width, line)
				}
			}
		}
	}
	page := strings.Join(w.page(160, 23), "\n")
	for _, want := range []string{
		"up 2d 02h", "events in    13/s   1,234,567 in all   ▁▂█▃", "connections  3,000   stream 2,996, room_socket 4   views 0", "lag          2 behind, the slowest 4.2 s",
		"log          3.0 GiB of 4.0 GiB [######################........]  75 %   99 events   the oldest 2h 01m of 3d 00h", "the log: the disk is full", "no gateway answers",
		`    4.9 s     1h 00m  key      evil\u001b[2J\nname  192.0.2.7 @b           \u009bPUT:x`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
	w.has = false
	if page := strings.Join(w.page(80, 23), "\n"); !strings.Contains(page, "waiting for the first figures") || !strings.Contains(page, "no gateway answers") {
		t.Error(page)
	}
}

// In a cluster the page has the sums of all gateways, except what each has of its own.
func TestFiguresOfACluster(t *testing.T) {
	t.Parallel()
	const text = `{"time":"2026-12-01T00:00:01Z","connections":2,"events":5,"lagging":0,"connections_by_kind":{"stream":{"clear":2}},"memory":{"rss":7},"node":"a",
		"cluster":{"nodes":2,"missing":["c"],"connections":9,"events":50,"lagging":1,"lag_ms":1500,"connections_by_kind":{"stream":{"clear":9}}}}`
	var f figures
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatal(err)
	}
	f.whole()
	if f.Connections != 9 || f.Events != 50 || f.Lagging != 1 || f.LagMS != 1500 || f.ByKind["stream"]["clear"] != 9 || f.Memory.RSS != 7 || f.Node != "a" {
		t.Errorf("%+v", f)
	}
	w := &watch{has: true}
	w.now.figures = f
	if page := strings.Join(w.page(120, 20), "\n"); !strings.Contains(page, "node a   2 gateways") || !strings.Contains(page, "no answer from c") {
		t.Error(page)
	}
}

// An older gateway's list of clients is read in pages, no more of them than asked for, and of one gateway if one was named. Of a
// gateway that lists the slowest first, one page is read.
func TestClientsInPages(t *testing.T) {
	t.Parallel()
	var asked []string
	order := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("x-apikey")+" "+r.URL.String())
		w.Header().Set("Link", `<?after=p`+fmt.Sprint(len(asked))+`&limit=1000`+order+`>; rel="next"`)
		if len(asked) == 3 {
			w.Header().Del("Link")
		}
		fmt.Fprintf(w, `[{"id":"%d"}]`, len(asked))
	}))
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		node  string
		order string
		pages int
		want  []string
	}{
		{"", "&sort=lag", 20, []string{"k /admin/connections?limit=1000&sort=lag"}},
		{"", "", 1, []string{"k /admin/connections?limit=1000&sort=lag"}},
		{"", "", 20, []string{"k /admin/connections?limit=1000&sort=lag", "k /admin/connections?after=p1&limit=1000", "k /admin/connections?after=p2&limit=1000"}},
		{"b c", "", 2, []string{"k /admin/connections?limit=1000&node=b+c&sort=lag", "k /admin/connections?after=p1&limit=1000&node=b+c"}},
	} {
		asked, order = nil, tt.order
		c := &Top{Node: tt.node}
		c.adminKey = "k"
		got, err := c.clients(context.Background(), server.URL, tt.pages)
		if err != nil || len(got) != len(tt.want) || !slices.Equal(asked, tt.want) {
			t.Errorf("%d pages: %v %v %q", tt.pages, err, got, asked)
		}
	}
}

// Each error of a request says what to do about it, and has a code.
func TestExplain(t *testing.T) {
	t.Parallel()
	const base = "http://sluice.example"
	for _, tt := range []struct {
		name   string
		admin  bool
		err    error
		want   string
		code   string
		status int
	}{
		{"no key", false, &client.StatusError{Status: 401, Code: "missing_credential", Message: "m"}, "no key is given; put an API key or a token into SLUICE_KEY, or into a file named by --key-file", "missing_credential", 401},
		{"another key", false, &client.StatusError{Status: 401, Code: "invalid_key", Message: "m"}, "m (401 invalid_key); give a key that the gateway knows in SLUICE_KEY, or in a file named by --key-file", "invalid_key", 401},
		{"no admin key", true, &client.StatusError{Status: 401, Code: "invalid_admin_key", Message: "m"}, "m (401 invalid_admin_key); give the gateway's ADMIN_KEY in the variable ADMIN_KEY, or in a file named by --key-file", "invalid_admin_key", 401},
		{"a grant", false, &client.StatusError{Status: 403, Code: "forbidden", Message: "m"}, "m (403 forbidden); use a key that may do it, or let the administrator change what this one grants", "forbidden", 403},
		{"a web server", false, &client.StatusError{Status: 404}, "the gateway answered 404 Not Found; is " + base + " a gateway? Give its address by --url or SLUICE_URL", "failed", 404},
		{"a proxy whose gateway is gone", false, &client.StatusError{Status: 503}, "the gateway answered 503 Service Unavailable", "failed", 503},
		{"drain", false, &client.StatusError{Status: 503, Code: "draining", Message: "m"}, "m (503 draining)", "draining", 503},
		{"interrupted", false, context.Canceled, "context canceled", "failed", 0},
		{"another error", false, errors.New("x"), "x", "failed", 0},
	} {
		a := access{admin: tt.admin}
		f := describe(a.explain(base, tt.err))
		if f.Error != tt.want || f.Code != tt.code || f.Status != tt.status || f.Exit != exitFailed {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
	for _, tt := range []struct {
		cause error
		want  string
	}{
		{syscall.ECONNREFUSED, "no gateway answers at http://sluice.example (is it running there?): start one with sluice, or give its address by --url or SLUICE_URL"},
		{&net.DNSError{Err: "no such host", Name: "sluice.example"}, "check the name in --url or SLUICE_URL"},
		{syscall.ENETUNREACH, "is a gateway running there? Its address is that of --url or SLUICE_URL"},
	} {
		err := &url.Error{Op: "Get", URL: base, Err: &net.OpError{Op: "dial", Err: tt.cause}}
		if f := describe((&access{}).explain(base, err)); !strings.HasSuffix(f.Error, tt.want) || f.Code != codeUnreachable {
			t.Errorf("%v: %+v", tt.cause, f)
		}
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it reports that nobody trusts it
	secure.StartTLS()
	defer secure.Close()
	if _, err := http.Get(secure.URL); !strings.Contains(describe((&access{}).explain(secure.URL, err)).Error, "SSL_CERT_FILE") {
		t.Error(describe((&access{}).explain(secure.URL, err)))
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	address := strings.Replace(plain.URL, "http:", "https:", 1)
	if _, err := http.Get(address); !strings.Contains(describe((&access{}).explain(address, err)).Error, "does not speak TLS; begin --url with http://") {
		t.Error(describe((&access{}).explain(address, err)))
	}
}

// On a terminal, work that takes more than a second has a bar, its rate, and the time that is left; each part counts anew.
func TestWorkOnATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := newWork(&Streams{Err: &out})
	w.line.on = true
	w.show("checking keys", 1, 100)
	if out.String() != "" {
		t.Errorf("before a second: %q", out.String())
	}
	w.line.started, w.began = time.Now().Add(-10*time.Second), time.Now().Add(-10*time.Second)
	w.show("checking keys", 25, 100)
	if want := "\r\x1b[K[#######.......................]  25 % checking keys: 25, 2.5/s, "; !strings.HasPrefix(out.String(), want) || !strings.HasSuffix(out.String(), "s left") {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	w.line.last = time.Time{}
	w.show("checking documents", 500, 0)
	if out.String() != "\r\x1b[Kchecking documents: 500" {
		t.Errorf("%q", out.String())
	}
}

// People who follow a log see what comes, also when they want some types only; the past is what they ask for.
func TestTailHistory(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		tail Tail
		want string // From, or how long ago
	}{
		{Tail{}, ""},
		{Tail{Types: []string{"a"}}, "now"},
		{Tail{Limit: 3}, "now"},
		{Tail{Stream: "s", Limit: 3}, ""},
		{Tail{Until: "caught-up", Limit: 3}, ""},
		{Tail{Since: "earliest", Limit: 3}, "earliest"},
		{Tail{Since: "-5"}, "-5"},
		{Tail{Since: "2026-12-01T00:00:00Z"}, "2026-12-01T00:00:00Z"},
	} {
		if got, err := tt.tail.history(); err != nil || got.From != tt.want || got.Limit != tt.tail.Limit || got.Stream != tt.tail.Stream || got.Until != tt.tail.Until {
			t.Errorf("%+v: %+v, %v", tt.tail, got, err)
		}
	}
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	if got, err := (&Tail{Since: "1h30m"}).from(at); err != nil || got != "2026-11-30T21:30:00Z" {
		t.Error(got, err)
	}
}
