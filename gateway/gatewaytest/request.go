package gatewaytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// send sends a request with headers, and returns the answer and its body. A request's body is JSON.
func (g *Gateway) send(t testing.TB, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// Request sends a request with headers, and returns the status and the body.
func (g *Gateway) Request(t testing.TB, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	answer, text := g.send(t, method, path, body, headers...)
	return answer.StatusCode, text
}

// Answer is Request for a test that needs the answer's headers too.
func (g *Gateway) Answer(t testing.TB, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	answer, text := g.send(t, method, path, body, headers...)
	return answer.StatusCode, text, answer.Header
}

// AsAdmin sends a request to the admin API.
func (g *Gateway) AsAdmin(t testing.TB, method, path, body string, status int) map[string]any {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-apikey", AdminKey)
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != status {
		t.Fatalf("%s %s %s: %s %s", method, path, body, answer.Status, text)
	}
	fields := map[string]any{}
	if len(text) == 0 {
		return fields
	}
	if text[0] == '[' {
		text = fmt.Appendf(nil, `{"list":%s}`, text)
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return fields
}

// Post sends JSON without a credential and returns the answer's body.
func (g *Gateway) Post(t *testing.T, path, body string, status int) string {
	t.Helper()
	answer, err := g.Client().Post(g.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		t.Fatalf("%s: %s %s %v, want %d", path, answer.Status, text, err, status)
	}
	return string(text)
}
