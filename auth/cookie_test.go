package auth

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"sluice/auth/peer"
)

const appOrigin = "https://app.example"

// withCookie is an Authenticator that takes credentials from the cookie "session".
func withCookie(t *testing.T) *Authenticator {
	t.Helper()
	_, trusted, err := net.ParseCIDR("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	keys := fmt.Sprintf(`[{"name":"one","key":%q,"sub":["a"]},{"name":"two","key":%q,"sub":["b"]}]`, keyOne, keyTwo)
	return newAuth(t, Options{APIKeys: keys, Cookie: "session", Origins: []string{appOrigin, "*"}, Proxies: peer.Proxies{trusted}})
}

// as authenticates a request: its first line without the version, and its headers.
func as(t *testing.T, a *Authenticator, lines ...string) (*Identity, *Error) {
	t.Helper()
	return a.Authenticate(context.Background(), carriersOf(t, a, lines...))
}

func carriersOf(t *testing.T, a *Authenticator, lines ...string) Carriers {
	t.Helper()
	text := lines[0] + " HTTP/1.1\r\n" + strings.Join(append(lines[1:], "Host: gateway.example", "", ""), "\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "198.51.100.1:4711"
	for _, line := range lines {
		if strings.HasPrefix(line, "Via:") {
			r.RemoteAddr = "192.0.2.1:4711"
		}
		if line == "Tls: yes" {
			r.TLS = &tls.ConnectionState{}
		}
	}
	return a.Carriers(r, r.URL.Query(), "198.51.100.1")
}

// TestCookie: a cookie is a carrier like the others.
func TestCookie(t *testing.T) {
	t.Parallel()
	a := withCookie(t)
	for _, tt := range []struct {
		name  string
		lines []string
		want  string // sub, or the code of the error
	}{
		{"alone", []string{"GET /", "Cookie: session=" + keyOne}, "a"},
		{"among others", []string{"GET /", "Cookie: a=b; session=" + keyOne + "; c=d"}, "a"},
		{"in quotes", []string{"GET /", `Cookie: session="` + keyOne + `"`}, "a"},
		{"of another name", []string{"GET /", "Cookie: Session=" + keyOne}, MissingCredential},
		{"without a value", []string{"GET /", "Cookie: session="}, MissingCredential},
		{"without a value, beside a key", []string{"GET /", "Cookie: session=", "X-Apikey: " + keyTwo}, "b"},
		{"twice the same", []string{"GET /", "Cookie: session=" + keyOne + "; session=" + keyOne}, "a"},
		{"twice, once without a value", []string{"GET /", "Cookie: session=; session=" + keyOne}, "a"},
		{"two values", []string{"GET /", "Cookie: session=" + keyOne, "Cookie: session=" + keyTwo}, AmbiguousCredential},
		{"beside another credential", []string{"GET /", "Cookie: session=" + keyOne, "X-Apikey: " + keyTwo}, "a,b"},
		{"wrong", []string{"GET /", "Cookie: session=x"}, "invalid_key"},
		{"wrong beside a right one", []string{"GET /", "Cookie: session=x", "X-Apikey: " + keyTwo}, "invalid_key"},
		{"beside the query", []string{"GET /?apikey=" + keyTwo, "Cookie: session=" + keyOne}, "query_credential"},
	} {
		switch id, bad := as(t, a, tt.lines...); {
		case bad != nil && bad.Code != tt.want:
			t.Errorf("%s: %s %v, want %s", tt.name, bad.Code, bad, tt.want)
		case bad == nil && id.Sub.String() != tt.want:
			t.Errorf("%s: %s, want %s", tt.name, id.Sub, tt.want)
		}
	}
	none := newAuth(t, Options{APIKeys: fmt.Sprintf(`[{"name":"one","key":%q}]`, keyOne)})
	if _, bad := as(t, none, "GET /", "Cookie: session="+keyOne+"; ="+keyOne); codeOf(bad) != MissingCredential {
		t.Errorf("without CREDENTIAL_COOKIE: %v", bad)
	}
}

// TestCookieChanges: a change by a cookie needs the Origin of a page that may make it.
func TestCookieChanges(t *testing.T) {
	t.Parallel()
	a := withCookie(t)
	const ok = ""
	cookie := "Cookie: session=" + keyOne
	socket := []string{"Connection: Upgrade", "Upgrade: websocket"}
	for _, tt := range []struct {
		method  string
		headers []string
		want    string
	}{
		// What reads needs none.
		{"GET", nil, ok}, {"HEAD", nil, ok}, {"OPTIONS", nil, ok}, {"SEARCH", nil, ok},
		{"GET", []string{"Origin: https://evil.example"}, ok},
		{"GET", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"}, ok},
		// All else does.
		{"POST", nil, CookieOrigin}, {"PUT", nil, CookieOrigin}, {"PATCH", nil, CookieOrigin}, {"DELETE", nil, CookieOrigin},
		{"QUERY", nil, CookieOrigin}, {"get", nil, CookieOrigin}, {"PROPFIND", nil, CookieOrigin},
		{"GET", socket, CookieOrigin},
		{"GET", []string{"Upgrade: foo, WebSocket"}, CookieOrigin},
		{"GET", append(socket, "Origin: https://evil.example"), CookieOrigin},
		{"GET", append(socket, "Origin: "+appOrigin), ok},
		{"GET", append(socket, "Origin: http://gateway.example"), ok},
		// Origins that are listed, and the gateway's own.
		{"POST", []string{"Origin: " + appOrigin}, ok}, {"DELETE", []string{"Origin: " + appOrigin}, ok},
		{"POST", []string{"Origin: http://gateway.example"}, ok},
		{"POST", []string{"Origin: https://gateway.example", "Tls: yes"}, ok},
		{"POST", []string{"Origin: https://gateway.example"}, CookieOrigin},
		{"POST", []string{"Origin: http://gateway.example", "Tls: yes"}, CookieOrigin},
		{"POST", []string{"Origin: http://gateway.example:8080"}, CookieOrigin},
		{"POST", []string{"Origin: http://app.example"}, CookieOrigin},
		{"POST", []string{"Origin: https://app.example:8443"}, CookieOrigin},
		{"POST", []string{"Origin: https://www.app.example"}, CookieOrigin},
		{"POST", []string{"Origin: https://app.example.evil.example"}, CookieOrigin},
		{"POST", []string{"Origin: null"}, CookieOrigin}, {"POST", []string{"Origin: *"}, CookieOrigin}, {"POST", []string{"Origin: "}, CookieOrigin},
		{"POST", []string{"Origin: " + appOrigin, "Origin: https://evil.example"}, CookieOrigin},
		{"POST", []string{"Referer: " + appOrigin + "/page"}, CookieOrigin},
		// Behind a proxy that is trusted, the origin that the proxy has received.
		{"POST", []string{"Origin: https://gateway.example", "X-Forwarded-Proto: https", "Via: 1.1 proxy"}, ok},
		{"POST", []string{"Origin: https://www.example", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example", "Via: 1.1 proxy"}, ok},
		{"POST", []string{"Origin: http://gateway.example", "X-Forwarded-Proto: https", "Via: 1.1 proxy"}, CookieOrigin},
		{"POST", []string{"Origin: https://gateway.example", "X-Forwarded-Proto: https"}, CookieOrigin},
		{"POST", []string{"Origin: https://evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"}, CookieOrigin},
		// Only where the cookie is used as a credential.
		{"POST", []string{"X-Apikey: " + keyTwo, "Cookie: other=x", "-"}, ok},
		{"POST", []string{"X-Apikey: " + keyOne, "Origin: https://evil.example"}, ok}, // whoever sends the same value in a header knows it
		{"POST", []string{"X-Apikey: " + keyTwo, "Origin: https://evil.example"}, CookieOrigin},
	} {
		lines := append([]string{tt.method + " /"}, tt.headers...)
		if lines[len(lines)-1] == "-" {
			lines = lines[:len(lines)-1]
		} else {
			lines = append(lines, cookie)
		}
		_, bad := as(t, a, lines...)
		if codeOf(bad) != tt.want || bad != nil && (bad.Status != http.StatusForbidden || bad.Guess() || strings.Contains(bad.Message, keyOne)) {
			t.Errorf("%s: %+v, want %q", lines, bad, tt.want)
		}
	}
	if _, bad := as(t, a, "POST /", cookie, "Origin: https://evil.example"); bad == nil || !strings.Contains(bad.Message, `"https://evil.example"`) || !strings.Contains(bad.Message, "CORS_ORIGINS") {
		t.Errorf("the message names neither the origin nor the cure: %v", bad)
	}
	if _, bad := as(t, a, "POST /", cookie, "Origin: "+strings.Repeat("x", 10_000)); bad == nil || len(bad.Message) > 600 {
		t.Errorf("the message repeats a long Origin: %v", bad)
	}
}

// TestChangeByGET: a door can say that a GET changes something.
func TestChangeByGET(t *testing.T) {
	t.Parallel()
	a := withCookie(t)
	c := carriersOf(t, a, "GET /", "Cookie: session="+keyOne)
	c.Change = true
	if _, bad := a.Authenticate(context.Background(), c); codeOf(bad) != CookieOrigin {
		t.Errorf("%v", bad)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Cookie: []string{keyOne}}); bad != nil { // of no request
		t.Error(bad)
	}
}

// TestForeignPagesUseUpNoTries: a hostile page cannot have its visitors' addresses refused.
func TestForeignPagesUseUpNoTries(t *testing.T) {
	t.Parallel()
	a := withCookie(t)
	for range 2 * keyTries.Burst {
		if _, bad := as(t, a, "POST /", "Cookie: session=wrong", "Origin: https://evil.example"); codeOf(bad) != CookieOrigin {
			t.Fatal(bad)
		}
	}
	if _, bad := as(t, a, "GET /", "Cookie: session=wrong"); codeOf(bad) != "invalid_key" {
		t.Error(bad)
	}
}
