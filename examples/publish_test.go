// Package examples_test runs the programs of examples/publish, each in front of a whole gateway. The pages are tested in e2e/.
package examples_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/gateway/gatewaytest"
)

const key = "publish-0123456789abcdef"

func TestMain(m *testing.M) { gatewaytest.Main(m, 0) }

// publishers are the commands of the README.
var publishers = map[string][]string{
	"python": {"python3", "publish.py"},
	"php":    {"php", "publish.php"},
	"ruby":   {"ruby", "publish.rb"},
	"node":   {"node", "publish.mjs"},
	"bash":   {"./publish.sh"},
	"go":     {"go", "run", "."},
}

// everyPublisher runs f with each of them, and a gateway of its own.
func everyPublisher(t *testing.T, f func(t *testing.T, p *publisher)) {
	t.Parallel()
	for language, command := range publishers {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			if language == "go" { // go run would build it again for each of them
				command = []string{goProgram(t)}
			}
			g := gatewaytest.Start(t, func(s *gatewaytest.Setup) {
				s.APIKeys = `[{"name":"backend","key":"` + key + `","sub":["*"],"pub":["news"]}]`
			})
			f(t, &publisher{g, command})
		})
	}
}

var buildOnce sync.Mutex

// goProgram builds the one in Go.
func goProgram(t *testing.T) string {
	t.Helper()
	buildOnce.Lock()
	defer buildOnce.Unlock()
	binary := filepath.Join(t.TempDir(), "publish")
	if out, err := exec.Command("go", "build", "-C", "publish", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

type publisher struct {
	*gatewaytest.Gateway
	command []string
}

// run publishes an event at an address, and returns what the program wrote, and whether it succeeded.
func (p *publisher) run(t *testing.T, address, event string, environment ...string) (out, errs string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), gatewaytest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.command[0], append(slices.Clone(p.command[1:]), event)...)
	cmd.Dir = "publish"
	cmd.Env = append(os.Environ(), append([]string{"GATEWAY=" + address, "KEY=" + key}, environment...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("%v: %v", p.command, ctx.Err())
	}
	return stdout.String(), stderr.String(), err == nil
}

// stored are the events of the log, one line each.
func (p *publisher) stored(t *testing.T) string {
	t.Helper()
	_, text := p.Request(t, http.MethodGet, "/realtime?until=caught-up", "", "x-apikey", key, "Accept", "application/x-ndjson")
	return text
}

// proxy stands between a publisher and the gateway. Each request has its turn; the last one stays.
func (p *publisher) proxy(t *testing.T, turns ...func(w http.ResponseWriter, pass func(http.ResponseWriter))) (address string, keys func() []string) {
	t.Helper()
	target, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Header.Get("Idempotency-Key"))
		turn := turns[min(len(seen), len(turns))-1]
		mu.Unlock()
		turn(w, func(w http.ResponseWriter) { pass.ServeHTTP(w, r) })
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

// What is no JSON is no event: the program says what it takes, or what the gateway says.
func TestPublishersWithoutAnEvent(t *testing.T) {
	everyPublisher(t, func(t *testing.T, p *publisher) {
		for _, event := range []string{"", "news"} {
			out, errs, ok := p.run(t, p.URL, event)
			if ok || out != "" || !strings.Contains(errs, "JSON") || strings.Count(errs, "\n") != 1 {
				t.Errorf("%q: %q, %q", event, out, errs)
			}
		}
		if got := p.stored(t); strings.Contains(got, "news") {
			t.Error(got)
		}
	})
}

// A request whose answer is lost, and that is refused for a while then, ends with one event, and the id of that one.
func TestPublishersRepeatOnce(t *testing.T) {
	everyPublisher(t, func(t *testing.T, p *publisher) {
		lost := func(w http.ResponseWriter, pass func(http.ResponseWriter)) {
			pass(httptest.NewRecorder())
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				c.Close()
			}
		}
		page := func(w http.ResponseWriter, _ func(http.ResponseWriter)) { // of a proxy whose gateway does not answer
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<h1>Bad gateway</h1>")
		}
		busy := func(w http.ResponseWriter, _ func(http.ResponseWriter)) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"message":"wait","code":"busy"}`)
		}
		through := func(w http.ResponseWriter, pass func(http.ResponseWriter)) { pass(w) }
		address, keys := p.proxy(t, lost, page, busy, through)
		out, errs, ok := p.run(t, address, `{"event":"news","data":{"text":"ü €","none":{}}}`)
		if !ok {
			t.Fatalf("it failed: %s", errs)
		}
		if seen := keys(); len(seen) != 4 || seen[0] == "" || len(slices.Compact(seen)) != 1 {
			t.Errorf("the Idempotency-Keys: %q", seen)
		}
		lines := p.stored(t)
		var e struct {
			ID, Event string
			Data      map[string]any
		}
		err := json.Unmarshal([]byte(lines), &e) // fails where there are two
		if want := map[string]any{"text": "ü €", "none": map[string]any{}}; err != nil || e.Event != "news" || !reflect.DeepEqual(e.Data, want) {
			t.Errorf("the log: %s %v", lines, err)
		}
		if want := e.ID + "\n"; out != want && out != `{"message":"OK","id":"`+e.ID+`"}`+"\n" {
			t.Errorf("it wrote %q, not %q", out, want)
		}
	})
}

// A batch is one request. Its answer has an id for each event.
func TestPublishersBatch(t *testing.T) {
	everyPublisher(t, func(t *testing.T, p *publisher) {
		out, errs, ok := p.run(t, p.URL, `[{"event":"news","data":1},{"event":"news","data":2}]`)
		lines := p.stored(t)
		if !ok || strings.Count(lines, "\n") != 2 {
			t.Fatalf("%v %s: %s", ok, errs, lines)
		}
		for line := range strings.Lines(lines) {
			if id := strings.Split(line, `"`)[3]; !strings.Contains(out, id) {
				t.Errorf("it wrote %q, without %s", out, id)
			}
		}
	})
}

// A refusal is final: the program asks once, and says why. So does one that gets no answer for as long as it may take.
func TestPublishersFail(t *testing.T) {
	everyPublisher(t, func(t *testing.T, p *publisher) {
		through := func(w http.ResponseWriter, pass func(http.ResponseWriter)) { pass(w) }
		moved := func(w http.ResponseWriter, _ func(http.ResponseWriter)) { // a client that follows it comes again
			w.Header().Set("Location", "/realtime")
			w.WriteHeader(http.StatusFound)
		}
		for _, one := range []struct {
			name, event, says string
			turn              func(http.ResponseWriter, func(http.ResponseWriter))
			environment       string
			requests          int
		}{
			{"another channel", `{"event":"secret","data":1}`, "403", through, "", 1},
			{"a wrong key", `{"event":"news"}`, "invalid_key", through, "KEY=wrong-0123456789", 1},
			{"a bad event", `{"event":"put"}`, "bad_event", through, "", 1},
			{"a redirect", `{"event":"news"}`, "302", moved, "", 1},
		} {
			address, keys := p.proxy(t, one.turn)
			out, errs, ok := p.run(t, address, one.event, one.environment)
			if ok || out != "" || !strings.Contains(errs, "not published: ") || !strings.Contains(errs, one.says) || len(keys()) != one.requests {
				t.Errorf("%s: %v %q %q after %d requests", one.name, ok, out, errs, len(keys()))
			}
		}
		closed := httptest.NewServer(nil)
		closed.Close()
		if _, errs, ok := p.run(t, closed.URL, `{"event":"news"}`, "PATIENCE=1"); ok || !strings.Contains(errs, "not published: no answer") {
			t.Errorf("without a gateway: %v %q", ok, errs)
		}
		if lines := p.stored(t); lines != "" {
			t.Errorf("the log: %s", lines)
		}
	})
}
