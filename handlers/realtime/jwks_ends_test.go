package realtime_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"sluice/gateway/gatewaytest"
)

// A stream ends with the key that its token is signed with: once JWT_JWKS_URL is read again and has it no more, and not
// years later with the token's exp. Others go on, and so does all while the set cannot be read.
func TestStreamEndsWithVerificationKey(t *testing.T) {
	t.Parallel()
	gatewaytest.BothWriters(t, func(t *testing.T, writer func(*setup)) {
		var set atomic.Pointer[[]byte]
		var failures atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if text := *set.Load(); text != nil {
				w.Write(text)
				return
			}
			failures.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		}))
		t.Cleanup(server.Close)
		keys, tokens := map[string]jose.JSONWebKey{}, map[string]string{}
		for _, kid := range []string{"one", "two"} {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			keys[kid] = jose.JSONWebKey{Key: key.Public(), KeyID: kid}
			token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"exp": time.Now().AddDate(10, 0, 0).Unix(), "sub": kid, "realtime": []string{"*"}})
			token.Header["kid"] = kid
			if tokens[kid], err = token.SignedString(key); err != nil {
				t.Fatal(err)
			}
		}
		serve := func(kids ...string) {
			t.Helper()
			list := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
			for _, kid := range kids {
				list.Keys = append(list.Keys, keys[kid])
			}
			text, err := json.Marshal(list)
			if err != nil {
				t.Fatal(err)
			}
			set.Store(&text)
		}
		serve("one", "two")
		g := newGateway(t, writer, func(s *setup) { s.JWTJWKSURL, s.JWTJWKSRefresh = server.URL, 100*time.Millisecond })
		one, two := g.Stream(t, tokens["one"], ""), g.Stream(t, tokens["two"], "")
		set.Store(new([]byte))
		gatewaytest.Until(t, func() error { // the first of two is seen, and changes nothing
			if n := failures.Load(); n < 2 {
				return fmt.Errorf("%d fetches have failed", n)
			}
			return nil
		})
		serve("two")
		if e := one.Event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"revoked"}}` {
			t.Errorf("%+v", e)
		}
		if s := g.Open(t, tokens["one"], ""); s.Answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("its token: %d", s.Answer.StatusCode)
		}
		id := g.Publish(t, `{"event":"a"}`)
		if e := two.Event(t); e.ID != id {
			t.Errorf("%+v", e)
		}
	})
}
