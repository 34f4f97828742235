package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// A stream ends with the key that its token is signed with: once JWT_JWKS_URL is read again and has it no more, and not
// years later with the token's exp. Others go on, and so does all while the set cannot be read.
func TestStreamEndsWithVerificationKey(t *testing.T) {
	t.Parallel()
	bothWriters(t, func(t *testing.T, writer func(*setup)) {
		var set atomic.Pointer[[]byte]
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if text := *set.Load(); text != nil {
				w.Write(text)
				return
			}
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
		one, two := g.stream(t, tokens["one"], ""), g.stream(t, tokens["two"], "")
		set.Store(new([]byte))
		time.Sleep(300 * time.Millisecond) // the failure is seen, and changes nothing
		serve("two")
		if e := one.event(t); e.Name != "expired" || e.Data != `{"event":"expired","data":{"reason":"revoked"}}` {
			t.Errorf("%+v", e)
		}
		if s := g.open(t, tokens["one"], ""); s.answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("its token: %d", s.answer.StatusCode)
		}
		id := g.publish(t, `{"event":"a"}`)
		if e := two.event(t); e.ID != id {
			t.Errorf("%+v", e)
		}
	})
}
