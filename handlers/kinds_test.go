package handlers_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/auth"
)

// kindsOfDoors are the kinds of the connections that streamDoors opens.
var kindsOfDoors = map[string]string{
	"realtime": "stream", "realtime range": "history", "realtime wide": "stream", "persistr": "feed", "persistr wildcards": "feed",
	"rooms": "room_stream", "rooms socket": "room_socket", "directus": "directus_socket", "directus login": "directus_socket", "directus pending": "directus_socket",
}

// The figures, the metrics and the list count each connection under its kind and what it is sent over, and none after its
// end.
func TestKindsOfConnections(t *testing.T) {
	t.Parallel()
	for i := range streamDoors {
		d := &streamDoors[i]
		for _, over := range []string{"clear", "tls", "http2"} {
			if over == "http2" && d.socket {
				continue // RFC 8441 is not supported
			}
			t.Run(d.name+" over "+over, func(t *testing.T) {
				t.Parallel()
				g := newGateway(t, func(s *setup) { s.TLS, s.WebSocketAuthTimeout = over != "clear", time.Minute })
				if err := g.Databases.Create(t.Context(), "orders", ""); err != nil {
					t.Fatal(err)
				}
				name, sub, rest := "the key", []string{"*", "*:*", "$db/orders"}, []string{"*"}
				_, key, err := g.Auth.CreateKey(t.Context(), auth.KeyChange{Name: &name, Sub: &sub, Rest: &rest})
				if err != nil {
					t.Fatal(err)
				}
				path := strings.ReplaceAll(d.path, "ROOM", g.NewRoom(t))
				end := g.openOver(t, d, path, over, key)
				g.AwaitMetric(t, fmt.Sprintf("sluice_connections_by_kind{kind=%q,over=%q} 1", kindsOfDoors[d.name], over))
				got, err := json.Marshal(g.AsAdmin(t, "GET", "/admin/stats", "", 200)["connections_by_kind"])
				if want := fmt.Sprintf(`{%q:{%q:1}}`, kindsOfDoors[d.name], over); err != nil || string(got) != want {
					t.Errorf("%s %v, want %s", got, err, want)
				}
				end()
				g.nothingOpen(t)
			})
		}
	}
}

// openOver opens a stream, and returns what closes it.
func (g *gateway) openOver(t *testing.T, d *streamDoor, path, over, key string) (end func()) {
	t.Helper()
	if over == "clear" {
		c := g.openDoor(t, d, path, key)
		return func() { c.Close() }
	}
	r, err := http.NewRequest(http.MethodGet, g.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !d.free && !d.login {
		r.Header.Set("X-Apikey", key)
	}
	client := g.Client()
	if over == "tls" {
		one := &http.Transport{TLSClientConfig: client.Transport.(*http.Transport).TLSClientConfig.Clone()}
		one.TLSClientConfig.NextProtos, one.TLSNextProto = []string{"http/1.1"}, map[string]func(string, *tls.Conn) http.RoundTripper{}
		client = &http.Client{Transport: one}
	}
	if d.socket {
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			r.Header.Set(name, value)
		}
	}
	answer, err := client.Do(r)
	if err != nil || answer.StatusCode/100 > 2 {
		t.Fatalf("%+v %v", answer, err)
	}
	if body, ok := answer.Body.(io.ReadWriteCloser); ok && d.login {
		if _, err := io.WriteString(body, maskedFrame(`{"type":"auth","access_token":"`+key+`"}`)); err != nil {
			t.Fatal(err)
		}
	}
	return func() { answer.Body.Close() }
}
