package gatewaytest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/streams"
)

// Basic returns the Authorization header of a user and a password.
func Basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Store appends an event to the database demo and returns its position.
func (g *Gateway) Store(t *testing.T, namespace, stream, kind, id string) uint64 {
	t.Helper()
	return g.StoreEvent(t, &streams.Event{
		ID: id, Type: kind, Namespace: namespace, Stream: stream, Data: json.RawMessage("{}"), Meta: map[string]json.RawMessage{"tz": json.RawMessage(`"UTC"`)},
	})
}

// StoreEvent appends an event to the database demo without a door, and returns its position.
func (g *Gateway) StoreEvent(t *testing.T, e *streams.Event) uint64 {
	t.Helper()
	w, err := g.Databases.Write("demo")
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Record(e, true)
	if err != nil {
		t.Fatal(err)
	}
	at, err := g.Databases.Store(context.Background(), &eventlog.Request{Events: []eventlog.Event{r}}, w)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// RequestAs sends a request as a user, and returns the status and the body.
func (g *Gateway) RequestAs(t *testing.T, user, method, path, body string) (int, string) {
	t.Helper()
	answer := g.OpenAs(t, user, method, path, body, "application/json")
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// OpenAs sends a request as a user whose password is the name.
func (g *Gateway) OpenAs(t *testing.T, user, method, path, body, accept string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	password := user
	if user == "root" {
		password = AdminKey
	}
	r.Header.Set("Authorization", Basic(user, password))
	r.Header.Set("Accept", accept)
	answer, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// ExpectAs fails the test if the answer is different.
func (g *Gateway) ExpectAs(t *testing.T, status int, has, user, method, path, body string) {
	t.Helper()
	if got, text := g.RequestAs(t, user, method, path, body); got != status || !strings.Contains(text, has) {
		t.Errorf("%s %s as %s: %d %s, want %d %s", method, path, user, got, text, status, has)
	}
}

// AddAccounts makes accounts whose passwords are their names.
func (g *Gateway) AddAccounts(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		g.ExpectAs(t, 204, "", "root", "POST", "/accounts/"+name, fmt.Sprintf(`{"password":%q}`, name))
	}
}

// WithDemo has the account and the database demo.
func WithDemo(s *Setup) { s.PersistrDemo = true }
