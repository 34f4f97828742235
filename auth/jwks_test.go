package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
)

// jwksServer serves the contents of set, and counts requests.
type jwksServer struct {
	*httptest.Server
	set   atomic.Pointer[string]
	calls atomic.Int32
}

func serveJWKS(t *testing.T, first string) *jwksServer {
	t.Helper()
	s := &jwksServer{}
	s.set.Store(&first)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.calls.Add(1)
		if text := *s.set.Load(); text != "" {
			w.Write([]byte(text))
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(s.Close)
	return s
}

func jwkSet(t testing.TB, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one := jose.JSONWebKey{Key: ec.Public(), KeyID: "one", Use: "sig"}
	two := jose.JSONWebKey{Key: ed.Public(), KeyID: "two"}
	server := serveJWKS(t, "")
	now := atomic.Int64{}
	now.Store(time.Now().UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	later := func(d time.Duration) { now.Add(int64(d)) }
	a := newAuth(t, Options{JWKSURL: server.URL, Now: clock})
	claims := fmt.Sprintf(`{"exp":%d,"realtime":["a"]}`, time.Now().Add(time.Hour).Unix())
	tokenOne := sign(t, jwt.SigningMethodES256, ec, `{"alg":"ES256","kid":"one"}`, claims)
	tokenTwo := sign(t, jwt.SigningMethodEdDSA, crypto.Signer(ed), `{"alg":"EdDSA","kid":"two"}`, claims)
	check := func(what, token, code string) {
		t.Helper()
		_, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
		if got := codeOf(bad); got != code {
			t.Errorf("%s: %q, want %q", what, got, code)
		}
	}
	check("the address does not answer", tokenOne, "keys_unavailable")
	check("nor again, where the fetch at the start was the first", tokenOne, "keys_unavailable")
	calls := server.calls.Load()
	set := jwkSet(t, one, jose.JSONWebKey{Key: []byte(testSecret), KeyID: "secret"})
	server.set.Store(&set)
	check("too soon to ask again", tokenOne, "keys_unavailable")
	if server.calls.Load() != calls {
		t.Error("it was asked again at once")
	}
	later(11 * time.Second)
	check("now it answers", tokenOne, "")
	check("no kid", sign(t, jwt.SigningMethodES256, ec, `{"alg":"ES256"}`, claims), "")
	check("an unknown kid, too soon to ask", tokenTwo, "keys_unavailable")
	later(11 * time.Second)
	check("an unknown kid", tokenTwo, "invalid_token")
	check("a secret in the set", sign(t, jwt.SigningMethodHS256, []byte(testSecret), `{"alg":"HS256","kid":"secret"}`, claims), "invalid_token")
	set = jwkSet(t, two)
	server.set.Store(&set)
	calls = server.calls.Load()
	check("the kid that it was fetched for", tokenTwo, "invalid_token")
	for i := range 50 { // any of them may have been added since: only the next fetch shows
		check("made up", sign(t, jwt.SigningMethodES256, ec, fmt.Sprintf(`{"alg":"ES256","kid":"%d"}`, i), claims), "keys_unavailable")
	}
	if server.calls.Load() != calls {
		t.Error("made-up kids made it ask")
	}
	later(11 * time.Second)
	check("rotated in", tokenTwo, "")
	check("rotated out, the cache too", tokenOne, "invalid_token")
	bad := ""
	server.set.Store(&bad)
	later(11 * time.Second)
	check("a failure keeps the last good set", sign(t, jwt.SigningMethodES256, ec, `{"alg":"ES256","kid":"x"}`, claims), "keys_unavailable")
	check("whose keys still sign", sign(t, jwt.SigningMethodEdDSA, other, `{"alg":"EdDSA","kid":"two"}`, claims), "invalid_token")
	check("still", tokenTwo, "")
}

// signingKeys are two key pairs, and a token of each.
type signingKeys struct {
	one, two           *ecdsa.PrivateKey
	tokenOne, tokenTwo string
}

func newSigningKeys(t testing.TB, kids bool) *signingKeys {
	t.Helper()
	s := &signingKeys{}
	for kid, k := range map[string]struct {
		key   **ecdsa.PrivateKey
		token *string
	}{"one": {&s.one, &s.tokenOne}, "two": {&s.two, &s.tokenTwo}} {
		var err error
		if *k.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
		header := `{"alg":"ES256"}`
		if kids {
			header = fmt.Sprintf(`{"alg":"ES256","kid":%q}`, kid)
		}
		*k.token = sign(t, jwt.SigningMethodES256, *k.key, header, fmt.Sprintf(`{"exp":%d,"sub":"ann","realtime":["a"]}`, time.Now().Add(time.Hour).Unix()))
	}
	return s
}

func (a *Authenticator) bearer(t testing.TB, token string) *Identity {
	t.Helper()
	id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
	if bad != nil {
		t.Fatal(bad)
	}
	return id
}

// An identity of a token ends when the token's key leaves the set, and at no other change of the set.
func TestRemovedKeyEndsIdentity(t *testing.T) {
	t.Parallel()
	k := newSigningKeys(t, true)
	one := jose.JSONWebKey{Key: k.one.Public(), KeyID: "one"}
	two := jose.JSONWebKey{Key: k.two.Public(), KeyID: "two"}
	for _, tt := range []struct {
		name, set string
		ends      bool
	}{
		{"the same", jwkSet(t, one, two), false},
		{"in another order, with another", jwkSet(t, two, jose.JSONWebKey{Key: k.two.Public(), KeyID: "three"}, one), false},
		{"a failure", "", false},
		{"no set", `{"error":"try again"}`, false},
		{"no list", `{"keys":null}`, false},
		{"no JSON", `<html>`, false},
		{"removed", jwkSet(t, two), true},
		{"all removed", `{"keys":[]}`, true},
		{"the same kid, another key", jwkSet(t, two, jose.JSONWebKey{Key: k.two.Public(), KeyID: "one"}), true},
		{"another kid", jwkSet(t, two, jose.JSONWebKey{Key: k.one.Public(), KeyID: "1"}), true},
		{"not for signatures any more", jwkSet(t, two, jose.JSONWebKey{Key: k.one.Public(), KeyID: "one", Use: "enc"}), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serveJWKS(t, jwkSet(t, one, two))
			a := newAuth(t, Options{JWKSURL: server.URL, APIKeys: fmt.Sprintf(`[{"name":"one","key":%q,"sub":["b"]}]`, keyOne)})
			id, other := a.bearer(t, k.tokenOne), a.bearer(t, k.tokenTwo)
			both, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{k.tokenOne}, Header: []string{keyOne}})
			if bad != nil {
				t.Fatal(bad)
			}
			ended := make(chan grant.End, 2)
			for _, one := range []*Identity{id, both} {
				defer one.OnEnd(func(reason grant.End) { ended <- reason })()
			}
			server.set.Store(&tt.set)
			a.jwks.fetch(0)
			if !tt.ends {
				if id.Ended() != "" || a.bearer(t, k.tokenOne) != id {
					t.Errorf("it ended: %q", id.Ended())
				}
				return
			}
			for range 2 {
				if reason := <-ended; reason != Revoked {
					t.Errorf("it ended: %q", reason)
				}
			}
			if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{k.tokenOne}}); id.Ended() != Revoked || both.Ended() != Revoked || codeOf(bad) != "invalid_token" {
				t.Errorf("%q %q, and its token: %v", id.Ended(), both.Ended(), bad)
			}
			if gone := strings.Contains(tt.set, "[]"); (other.Ended() != "") != gone {
				t.Errorf("that of the other key ended: %q", other.Ended())
			}
			back := jwkSet(t, one)
			server.set.Store(&back)
			a.jwks.fetch(0)
			if again := a.bearer(t, k.tokenOne); again == id || again.Ended() != "" || id.Ended() != Revoked {
				t.Error("what has ended goes on with the key that is back")
			}
		})
	}
}

// A token without a kid depends on the key that signed it, not on the first one that fits.
func TestKeyWithoutKid(t *testing.T) {
	t.Parallel()
	k := newSigningKeys(t, false)
	server := serveJWKS(t, jwkSet(t, jose.JSONWebKey{Key: k.one.Public()}, jose.JSONWebKey{Key: k.two.Public()}))
	a := newAuth(t, Options{JWKSURL: server.URL})
	one, two := a.bearer(t, k.tokenOne), a.bearer(t, k.tokenTwo)
	set := jwkSet(t, jose.JSONWebKey{Key: k.one.Public()})
	server.set.Store(&set)
	a.jwks.fetch(0)
	if one.Ended() != "" || two.Ended() != Revoked {
		t.Errorf("%q %q", one.Ended(), two.Ended())
	}
}

// answers is a transport with an answer for each address: an address makes a redirection, any other text a set.
type answers struct {
	mu    sync.Mutex
	by    map[string]string
	asked []string
	sent  []*http.Request
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.sent = append(a.asked, r.URL.String()), append(a.sent, r)
	text, ok := a.by[r.URL.String()]
	answer := &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}
	switch {
	case !ok:
		return nil, errors.New("nobody is there")
	case strings.Contains(text, "://"):
		answer.StatusCode = http.StatusFound
		answer.Header.Set("Location", text)
	}
	return answer, nil
}

// Redirects of a set's address are followed, but never over http beyond loopback.
func TestJWKSRedirects(t *testing.T) {
	t.Parallel()
	const set = `{"keys":[]}`
	for _, tt := range []struct {
		name  string
		steps []string
		ok    bool
	}{
		{"none", []string{"https://a.example/?secret=1"}, true},
		{"https to https", []string{"https://a.example/?secret=1", "https://b.example/set"}, true},
		{"https to http", []string{"https://a.example/", "http://a.example/"}, false},
		{"https to http on loopback", []string{"https://a.example/", "http://127.0.0.1/"}, false},
		{"loopback to loopback", []string{"http://127.0.0.1:1/", "http://localhost:2/", "http://[::1]:3/", "http://127.9.9.9/"}, true},
		{"loopback by its name, in capitals", []string{"http://127.0.0.1/", "http://LOCALHOST/"}, true},
		{"loopback to http elsewhere", []string{"http://127.0.0.1/", "http://a.example/"}, false},
		{"by way of loopback", []string{"http://127.0.0.1/", "http://[::1]/", "http://10.0.0.1/"}, false},
		{"a name that looks like loopback", []string{"http://localhost/", "http://127.0.0.1.example/"}, false},
		{"loopback to another scheme", []string{"http://127.0.0.1/", "ftp://127.0.0.1/"}, false},
		{"three steps", []string{"https://a.example/0", "https://a.example/1", "https://a.example/2", "https://a.example/3"}, true},
		{"four steps", []string{"https://a.example/0", "https://a.example/1", "https://a.example/2", "https://a.example/3", "https://a.example/4"}, false},
		{"in a circle", []string{"https://a.example/", "https://a.example/"}, false},
	} {
		by := map[string]string{}
		for i, step := range tt.steps {
			if by[step] = set; i > 0 {
				by[tt.steps[i-1]] = step
			}
		}
		if tt.name == "in a circle" {
			by[tt.steps[0]] = tt.steps[0]
		}
		there := &answers{by: by}
		j := newJWKS(Options{JWKSURL: tt.steps[0], Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		j.client.Transport = there
		if _, err := j.get(); (err == nil) != tt.ok {
			t.Errorf("%s: %v, asked %q", tt.name, err, there.asked)
		}
		if last := tt.steps[len(tt.steps)-1]; !tt.ok && tt.name != "in a circle" && there.asked[len(there.asked)-1] == last {
			t.Errorf("%s: %s was asked", tt.name, last)
		}
		for _, r := range there.sent {
			if r.Referer() != "" {
				t.Errorf("%s: %s learns where it was redirected from: %s", tt.name, r.URL, r.Referer())
			}
		}
	}
}

// The set is read again after JWT_JWKS_REFRESH, sooner after a failure, and at once after Reload.
func TestJWKSRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const address = "https://a.example/"
		there := &answers{by: map[string]string{}}
		j := newJWKS(Options{JWKSURL: address, JWKSRefresh: time.Minute, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
		j.client.Transport = there
		quit, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			j.watch(quit)
		}()
		asked := func(after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			there.mu.Lock()
			defer there.mu.Unlock()
			if n := len(there.asked); n != want {
				t.Errorf("asked %d times, want %d", n, want)
			}
		}
		asked(0, 1)
		asked(MinJWKSInterval-time.Second, 1)
		there.mu.Lock()
		there.by[address] = `{"keys":[]}`
		there.mu.Unlock()
		asked(time.Second, 2)
		asked(time.Minute-time.Second, 2)
		asked(time.Second, 3)
		asked(30*time.Second, 3)
		j.refresh()
		asked(0, 4)
		asked(59*time.Second, 4)
		asked(time.Second, 5)
		close(quit)
		<-done
	})
}
