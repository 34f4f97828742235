package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Keys that cannot be fetched are trouble that passes: no door may call the token bad, and /readyz says so.
func TestKeysOutOfReach(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(server.Close)
	g := newGateway(t, func(s *setup) { s.JWTJWKSURL = server.URL })
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix(), "realtime": []string{"*"}})
	token.Header["kid"] = "one"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(more ...string) map[string]string {
		all := map[string]string{"Authorization": "Bearer " + text}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	code := []string{`"code":"keys_unavailable"`}
	later := map[string]string{"Retry-After": "*any*"}
	g.RunAll(t, []scenario{
		{Name: "an EventSource", Key: "-", Headers: bearer("Accept", "text/event-stream"), Status: 200, Has: []string{"event: busy", `"status":503`}},
		{Name: "in its query", Key: "-", Path: "/realtime?token=" + text, Headers: map[string]string{"Accept": "text/event-stream"}, Status: 200, Has: []string{"event: busy"}},
		{Name: "a GET", Key: "-", Headers: bearer(), Status: 503, Has: code, ResponseHeaders: later},
		{Name: "a HEAD", Method: "HEAD", Key: "-", Headers: bearer(), Status: 503, ResponseHeaders: later},
		{Name: "a POST", Key: "-", Headers: bearer(), Body: `{"event":"a"}`, Status: 503, Has: code, ResponseHeaders: later},
		{Name: "RestDB", Key: "-", Path: "/rest/c", Headers: bearer(), Status: 503, Has: code, ResponseHeaders: later},
		{Name: "Directus", Key: "-", Path: "/items/c", Headers: bearer(), Status: 503, Has: []string{"SERVICE_UNAVAILABLE"}, ResponseHeaders: later},
		{Name: "a database", Key: "-", Path: "/db", Headers: bearer(), Status: 503, Has: []string{"JWT_JWKS_URL"}, ResponseHeaders: later},
		{Name: "its feed", Key: "-", Path: "/db/x/events", Headers: bearer("Accept", "text/event-stream"), Status: 200, Has: []string{"event: error", `"status":503`, `"name":"ServiceUnavailable"`}},
		{Name: "readyz", Key: "-", Path: "/readyz", Status: 503, Has: code, ResponseHeaders: map[string]string{"Retry-After": "10"}},
		{Name: "healthz", Key: "-", Path: "/healthz", Status: 200},
		{Name: "a key is checked as ever", Body: `{"event":"a"}`, Status: 200},
		{Name: "no JWT", Key: "-", Headers: map[string]string{"Authorization": "Bearer nonsense"}, Status: 401},
	})
}

// Who waits as long as Retry-After says is let in, at every door that has the publish rate.
func TestRetryAfterIsLongEnough(t *testing.T) {
	t.Parallel()
	const key = "key-slow-0123456789"
	for _, door := range []struct{ path, body string }{
		{"/realtime", `{"event":"a"}`}, {"/rest/c", `{"n":1}`}, {"/items/c", `{"n":1}`}, {"/events", `{"data":{},"meta":{"db":"d","ns":"","stream":"s","type":"t"}}`},
	} {
		t.Run(strings.ReplaceAll(door.path, "/", "_"), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, func(s *setup) {
				s.APIKeys = fmt.Sprintf(`[{"name":"slow","key":%q,"sub":["*","$db/d"],"pub":["*","$db/d"],"rest":["*:*"],"rate":0.7}]`, key)
			})
			if err := g.Databases.Create(t.Context(), "d", "owner"); err != nil {
				t.Fatal(err)
			}
			send := func() (status int, wait string) {
				r, err := http.NewRequest(http.MethodPost, g.URL+door.path, strings.NewReader(door.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("x-apikey", key)
				r.Header.Set("Content-Type", "application/json")
				answer, err := g.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				text, err := io.ReadAll(answer.Body)
				if err != nil || answer.StatusCode >= 400 && answer.StatusCode != 429 {
					t.Fatal(answer.StatusCode, string(text), err)
				}
				return answer.StatusCode, answer.Header.Get("Retry-After")
			}
			if status, _ := send(); status == 429 {
				t.Fatal("the first is refused")
			}
			status, wait := send()
			seconds, err := strconv.Atoi(wait)
			if status != 429 || err != nil || seconds < 1 || seconds > 2 {
				t.Fatalf("the second: %d, Retry-After %q", status, wait)
			}
			time.Sleep(time.Duration(seconds) * time.Second)
			if status, _ = send(); status == 429 {
				t.Errorf("refused again after %s s", wait)
			}
		})
	}
}
