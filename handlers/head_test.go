package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/gateway/gatewaytest"
)

// HEAD answers at each route for GET with the same status and headers, and no body; a stream ends with them.
func TestHeadEverywhere(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.WebSocketAuth = "public" })
	room := g.NewRoom(t)
	g.Publish(t, `{"event":"a"}`)
	named := strings.NewReplacer(":room", room, ":db", "demo", ":ns", "n", ":stream", "s", ":event", "e", ":collection", "c", ":id", "1", ":account", "demo", ":email", "ann@example.com", "*", "main.js")
	gets := 0
	for _, r := range g.Config.Handler.(interface{ Routes() []*echo.Route }).Routes() {
		if r.Method != http.MethodGet {
			continue
		}
		gets++
		path := named.Replace(r.Path)
		for _, accept := range []string{"", "text/event-stream", "application/json", "application/x-ndjson"} {
			get, head := ask(t, g, "GET", path, accept), ask(t, g, "HEAD", path, accept)
			if get != head {
				t.Errorf("%s, Accept %q:\nGET  %s\nHEAD %s", path, accept, get, head)
			}
		}
	}
	if gets < 30 {
		t.Errorf("only %d routes for GET", gets)
	}
	g.CheckReleased(t)
}

// ask returns the status and those headers of an answer that do not depend on its moment.
func ask(t *testing.T, g *gateway, method, path, accept string) string {
	t.Helper()
	r, err := http.NewRequest(method, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	key := gatewaytest.KeyAll
	if strings.HasPrefix(path, "/admin") {
		key = gatewaytest.AdminKey
	}
	r.Header.Set("x-apikey", key)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	answer, err := g.Client().Do(r.WithContext(ctx))
	if err != nil {
		t.Fatalf("%s %s, Accept %q: %v", method, path, accept, err)
	}
	defer answer.Body.Close()
	if method == http.MethodHead {
		if text, err := io.ReadAll(answer.Body); err != nil || len(text) > 0 {
			t.Errorf("HEAD %s: body %q, %v", path, text, err)
		}
	}
	var said []string
	for _, name := range []string{"Content-Type", "Cache-Control", "Etag", "Retry-After", "Www-Authenticate", "Allow", "X-Accel-Buffering"} {
		if v := answer.Header.Values(name); len(v) > 0 {
			said = append(said, name+": "+strings.Join(v, ","))
		}
	}
	slices.Sort(said)
	return fmt.Sprint(answer.StatusCode, " ", strings.Join(said, "; "))
}

// No byte of body is no body, however it is framed; a byte is one.
func TestEmptyChunkedBody(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		g := newGateway(t, writer, func(s *setup) { s.ReadTimeout = 300 * time.Millisecond })
		send := func(method, path, chunks string) string {
			return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nx-apikey: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s", method, path, gatewaytest.KeyAll, chunks)
		}
		for _, tt := range []struct{ method, path, chunks, want, has string }{
			{"GET", "/realtime", "0\r\n\r\n", "200", `"channel":"init"`},
			{"GET", "/realtime", "0\r\nX-Trailer: 1\r\n\r\n", "200", `"channel":"init"`},
			{"GET", "/realtime?until=caught-up", "0\r\n\r\n", "200", "event: end"},
			{"HEAD", "/realtime", "0\r\n\r\n", "200", ""},
			{"GET", "/realtime", "1\r\nx\r\n0\r\n\r\n", "400", "unexpected_body"},
			{"GET", "/realtime", "zz\r\n", "400", "body_unreadable"},
			{"GET", "/realtime", "", "408", "body_timeout"},
			{"GET", "/rest/c", "0\r\n\r\n", "403", "forbidden"},
			{"DELETE", "/rest/c/1", "0\r\n\r\n", "403", "forbidden"},
			{"GET", "/healthz", "0\r\n\r\n", "200", "ok"},
		} {
			text := g.Raw(t, send(tt.method, tt.path, tt.chunks), time.Second)
			answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
			if err != nil || !strings.HasPrefix(answer.Status, tt.want) || !strings.Contains(text, tt.has) {
				t.Errorf("%s %s %q: %.600q %v", tt.method, tt.path, tt.chunks, text, err)
			}
		}
	})
}

// The same over HTTP/2, where a client need not end the stream with the header.
func TestEmptyDataOverHTTP2(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.TLS = true })
	for text, want := range map[string]int{"": 200, "x": 400} {
		r, err := http.NewRequest(http.MethodGet, g.URL+"/realtime?until=caught-up", io.NopCloser(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("x-apikey", gatewaytest.KeyAll)
		answer, err := g.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.ProtoMajor != 2 || answer.StatusCode != want {
			t.Errorf("%q: %s %d", text, answer.Proto, answer.StatusCode)
		}
	}
}
