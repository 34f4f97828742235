package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers each request with the next handler; the last one stays.
type script struct {
	mu    sync.Mutex
	steps []http.HandlerFunc
	seen  []*http.Request
	when  []time.Time
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	step := s.steps[min(len(s.seen), len(s.steps)-1)]
	s.seen = append(s.seen, r)
	s.when = append(s.when, time.Now())
	s.mu.Unlock()
	step(w, r)
}

func serve(t *testing.T, steps ...http.HandlerFunc) (*script, *httptest.Server) {
	t.Helper()
	s := &script{steps: steps}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

// text sends a stream and closes the connection.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, body)
	}
}

func status(code int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

var errEnough = errors.New("enough")

// collect subscribes until n events came, or the client ends by itself.
func collect(t *testing.T, url string, o client.Options, n int) ([]client.Event, error) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	o.HTTP = &http.Client{Transport: transport}
	c, err := client.New(url, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var got []client.Event
	err = c.Subscribe(ctx, func(e client.Event) error {
		if got = append(got, e); len(got) == n {
			return errEnough
		}
		return nil
	})
	return got, err
}

const padding = ":                                                                    \n"

func TestResumesThroughCuts(t *testing.T) {
	t.Parallel()
	s, server := serve(t,
		text(padding+"retry: 10\nid: 1\ndata: {\"channel\":\"init\",\"data\":{}}\n\nid: 2\nevent: a\ndata: 1\nretry: 20\n\nid: 3\nevent: b\ndata: {\"cut\":"),
		status(503, `{"message":"x","code":"draining"}`, "Retry-After", "0"),
		text("retry: 30\nid: 2\ndata: init\n\nid: 3\nevent: b\ndata: 2\n\nevent: ping\n\n"),
		text("event: busy\r\nretry: 10\r\ndata: later\r\n\r\n"),
		text("id: 3\ndata: init\n\nid: 4\nevent: c\ndata: 3\n\n"),
	)
	got, err := collect(t, server.URL, client.Options{Credential: "k", Channels: []string{"a", "b:c"}}, 7)
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	want := []client.Event{
		{"1", "", `{"channel":"init","data":{}}`}, {"2", "a", "1"},
		{"2", "", "init"}, {"3", "b", "2"},
		{"3", "busy", "later"},
		{"3", "", "init"}, {"4", "c", "3"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for i, id := range []string{"", "2", "2", "3", "3"} {
		r := s.seen[i]
		if r.Header.Get("Last-Event-ID") != id || r.Header.Get("x-apikey") != "k" || r.URL.Query().Get("channels") != "a,b:c" || r.URL.Path != "/realtime" {
			t.Errorf("request %d: %v %v, want id %q", i, r.URL, r.Header, id)
		}
	}
	if waited := s.when[1].Sub(s.when[0]); waited < 20*time.Millisecond {
		t.Errorf("it came back after %s; retry said 20ms", waited)
	}
}

func TestFinalAnswers(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 401, 403, 404} {
		s, server := serve(t, status(code, `{"message":"the cure","code":"word"}`))
		_, err := collect(t, server.URL, client.Options{Credential: "a.b.c"}, 1)
		var e *client.StatusError
		if !errors.As(err, &e) || e.Status != code || e.Code != "word" || e.Message != "the cure" {
			t.Errorf("%d: %v", code, err)
		}
		if len(s.seen) != 1 || s.seen[0].Header.Get("Authorization") != "Bearer a.b.c" || s.seen[0].Header.Get("x-apikey") != "" {
			t.Errorf("%d: %d requests", code, len(s.seen))
		}
	}
	_, server := serve(t, status(200, "<html>", "Content-Type", "text/html"))
	if _, err := collect(t, server.URL, client.Options{}, 1); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a web page: %v", err)
	}
}

func TestPublishRepeatsWithOneKey(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}
	s, server := serve(t, cut, status(503, "", "Retry-After", "0"), status(200, `{"message":"OK","id":"7"}`))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(server.URL, client.Options{HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	ids, err := c.PublishJSON(context.Background(), []byte(`{"event":"a"}`), "")
	if err != nil || fmt.Sprint(ids) != "[7]" {
		t.Fatalf("%v %v", ids, err)
	}
	key := s.seen[0].Header.Get("Idempotency-Key")
	for i, r := range s.seen {
		if r.Header.Get("Idempotency-Key") != key || key == "" {
			t.Errorf("request %d has another key", i)
		}
	}
	if len(s.seen) < 3 {
		t.Errorf("%d requests", len(s.seen))
	}
	_, server = serve(t, status(403, `{"message":"no","code":"forbidden"}`))
	if c, err = client.New(server.URL, client.Options{HTTP: &http.Client{Transport: transport}}); err != nil {
		t.Fatal(err)
	}
	var e *client.StatusError
	if _, err := c.PublishJSON(context.Background(), []byte(`{}`), ""); !errors.As(err, &e) || e.Status != 403 {
		t.Errorf("%v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "ftp://x", "http://", "http://a b"} {
		if _, err := client.New(bad, client.Options{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// The end of a range ends the subscription. After a lost connection, the client asks for the rest of the limit.
func TestRangesEnd(t *testing.T) {
	t.Parallel()
	frame := func(id int) string {
		return fmt.Sprintf("id: %d\nevent: a\ndata: {\"event\":\"a\",\"data\":%d}\n\n", id, id)
	}
	s, server := serve(t,
		text("retry: 1\nid: 1\ndata: {\"channel\":\"init\",\"data\":{}}\n\n"+frame(2)+frame(3)),
		text("retry: 1\n"+frame(4)+"event: end\nid: 4\ndata: {\"event\":\"end\",\"data\":{\"reason\":\"limit\"}}\nretry: 86400000\n\n"),
	)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	own := &http.Client{Transport: transport}
	c, err := client.New(server.URL, client.Options{HTTP: own, History: client.History{Stream: "s", From: "earliest", Types: []string{"a", "b"}, Limit: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	err = c.Subscribe(context.Background(), func(e client.Event) error {
		if e.Name == "a" {
			ids = append(ids, e.ID)
		}
		return nil
	})
	if err != nil || !slices.Equal(ids, []string{"2", "3", "4"}) {
		t.Errorf("%v %v", ids, err)
	}
	var queries []string
	for _, r := range s.seen {
		queries = append(queries, r.URL.RawQuery+" "+r.Header.Get("Last-Event-ID"))
	}
	want := []string{"from=earliest&limit=3&stream=s&types=a%2Cb ", "from=earliest&limit=1&stream=s&types=a%2Cb 3"}
	if !slices.Equal(queries, want) {
		t.Errorf("asked %q, want %q", queries, want)
	}
	_, over := serve(t, status(http.StatusNoContent, ""))
	if c, err = client.New(over.URL, client.Options{HTTP: own}); err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(context.Background(), func(client.Event) error { return nil }); err != nil {
		t.Errorf("204: %v", err)
	}
}
