package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"sluice/client"
)

// A retraction is repeated with one key, as a publish is, and a refusal is final.
func TestRetractRepeatsWithOneKey(t *testing.T) {
	t.Parallel()
	s, server := serve(t,
		status(503, "", "Retry-After", "0"), status(200, `{"message":"OK","id":"9"}`), status(404, `{"message":"no","code":"not_found"}`))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(server.URL+"/realtime?x=1", client.Options{Credential: "k", HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := c.Retract(context.Background(), "2", ""); err != nil || id != "9" {
		t.Fatalf("%q %v", id, err)
	}
	var e *client.StatusError
	if _, err := c.Retract(context.Background(), "2", "own"); !errors.As(err, &e) || e.Code != "not_found" {
		t.Error(err)
	}
	key := s.seen[0].Header.Get("Idempotency-Key")
	for i, want := range []string{key, key, "own"} {
		r := s.seen[i]
		if r.Method != "DELETE" || r.URL.RequestURI() != "/realtime?id=2&x=1" || r.Header.Get("Idempotency-Key") != want || want == "" || r.Header.Get("Content-Type") != "" || r.Header.Get("x-apikey") != "k" {
			t.Errorf("request %d: %s %s %v, want the key %q", i, r.Method, r.URL, r.Header, want)
		}
	}
}

func TestConnectionOfInit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		event client.Event
		want  string
	}{
		{client.Event{Data: `{"channel":"init","data":{},"connection":"Yk1ZV2J4c3VyRmF0ZWxpdA"}`}, "Yk1ZV2J4c3VyRmF0ZWxpdA"},
		{client.Event{Data: `{"channel":"init","data":{}}`}, ""}, // of an older gateway
		{client.Event{Name: "a", Data: `{"event":"a","data":{},"connection":"x"}`}, ""},
		{client.Event{Data: `x`}, ""},
	} {
		if got := tt.event.Connection(); got != tt.want {
			t.Errorf("%+v: %q", tt.event, got)
		}
	}
}
