package gatewaytest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Scenario is a request and the answer that must come back. It reads like the contract's table.
type Scenario struct {
	Name    string
	Method  string // default: POST if there is a body, else GET
	Path    string // default: /realtime
	Key     string // default: KeyAll; "-" sends none
	Headers map[string]string
	Body    string

	Status          int
	Has             []string // in the body
	HasNot          []string
	ResponseHeaders map[string]string // headers
}

// request makes the request.
func (sc *Scenario) request(base string) (*http.Request, error) {
	method, path, key := sc.Method, sc.Path, sc.Key
	if method == "" {
		if method = http.MethodGet; sc.Body != "" {
			method = http.MethodPost
		}
	}
	if path == "" || path[0] == '?' {
		path = "/realtime" + path
	}
	if key == "" {
		key = KeyAll
	}
	r, err := http.NewRequest(method, base+path, strings.NewReader(sc.Body))
	if err != nil {
		return nil, err
	}
	if key != "-" {
		r.Header.Set("x-apikey", key)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, v := range sc.Headers {
		if r.Header.Set(name, v); v == "" {
			r.Header.Del(name)
		}
	}
	return r, nil
}

// Run sends the request and checks the answer.
func (sc *Scenario) Run(t *testing.T, g *Gateway) {
	t.Helper()
	r, err := sc.request(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != sc.Status {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		t.Fatalf("%s: status %d, want %d: %s", sc.Name, answer.StatusCode, sc.Status, text)
	}
	for name, want := range sc.ResponseHeaders {
		if got := strings.Join(answer.Header.Values(name), ","); got != want && (want != "*any*" || got == "") {
			t.Errorf("%s: %s is %q, want %q", sc.Name, name, got, want)
		}
	}
	if sc.Has == nil && sc.HasNot == nil {
		return
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	sc.check(t, string(text))
}

func (sc *Scenario) check(t *testing.T, text string) {
	t.Helper()
	for _, want := range sc.Has {
		if !strings.Contains(text, want) {
			t.Errorf("%s: %q is not in %s", sc.Name, want, text)
		}
	}
	for _, not := range sc.HasNot {
		if strings.Contains(text, not) {
			t.Errorf("%s: %q is in %s", sc.Name, not, text)
		}
	}
}

// RunAll runs scenarios one after the other.
func (g *Gateway) RunAll(t *testing.T, scenarios []Scenario) {
	t.Helper()
	for i := range scenarios {
		scenarios[i].Run(t, g)
	}
}

// Raw writes bytes to a new connection and returns what comes back within the time.
func (g *Gateway) Raw(t *testing.T, request string, wait time.Duration) string {
	t.Helper()
	c, err := g.Connect(net.Dialer{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(c)
	return string(text)
}
