package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

const storeSecret = "a secret of at least 32 bytes, for tests"

// openStore returns an authenticator with the store in a folder and a clock that is ahead, and a function that closes it.
func openStore(t *testing.T, dir string, ahead time.Duration) (*Authenticator, *eventlog.Log, func()) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Log: log, TokenSecret: storeSecret + " and another", APIKeys: `[{"name":"web","key":"0123456789abcdef","sub":["*"]}]`, Secrets: []string{storeSecret},
		Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	return a, log, func() {
		if err := errors.Join(a.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// Stored keys exist after a restart. The store has only their hashes.
func TestStoredKeys(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	a, log, done := openStore(t, dir, 0)
	info, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr([]string{"PUT:customer"}), Rate: ptr(7.0)})
	if err != nil {
		t.Fatal(err)
	}
	gone, goneKey, err := a.CreateKey(ctx, KeyChange{Name: ptr("gone")})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteKey(ctx, gone.ID); err != nil {
		t.Fatal(err)
	}
	if err := log.Rows("", func(r eventlog.Row) error {
		if strings.Contains(string(r.Value)+r.Key, key) {
			t.Errorf("the key is in the store: %s", r.Value)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	done()

	a, _, done = openStore(t, dir, 0)
	defer done()
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
	if bad != nil || id.Name != "app" || id.Sub.String() != "PUT:customer" {
		t.Fatal(id, bad)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{goneKey}}); bad == nil {
		t.Error("a deleted key is back")
	}
	again, err := a.Key(context.Background(), info.ID)
	if err != nil || again.Rate != 7 || again.ReadOnly {
		t.Error(again, err)
	}
	keys := a.Keys()
	if len(keys) != 2 || !keys[0].ReadOnly || keys[0].Name != "web" || a.StoredKeys() != 1 {
		t.Errorf("%+v", keys)
	}
	if _, err := a.UpdateKey(ctx, keys[0].ID, KeyChange{}); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
	if err := a.DeleteKey(ctx, "nope"); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if _, err := a.UpdateKey(ctx, info.ID, KeyChange{Sub: ptr([]string{"put"})}); !errors.Is(err, ErrBadKey) {
		t.Error(err)
	}
	if id.Ended() != "" {
		t.Error("what was refused ended a stream")
	}
	if _, err := a.UpdateKey(ctx, info.ID, KeyChange{Expires: ptr(ptr(time.Now().Add(-time.Hour)))}); err != nil {
		t.Fatal(err)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}}); bad == nil || id.Ended() != Changed {
		t.Error(bad, id.Ended())
	}
}

// Revoked tokens stay revoked. Later tokens of the same subject are valid.
func TestRevoke(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	a, _, done := openStore(t, dir, 0)
	sign := func(jti, subject string, issued time.Time) string {
		claims := jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix(), "jti": jti, "sub": subject, "realtime": []string{"*"}}
		if !issued.IsZero() {
			claims["iat"] = issued.Unix()
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(storeSecret))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := func(a *Authenticator, token string) (*Identity, bool) {
		id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
		return id, bad == nil
	}
	now := time.Now()
	one, two, before, noTime := sign("1", "ann", now), sign("2", "bob", now), sign("3", "carl", now.Add(-time.Minute)), sign("4", "carl", time.Time{})
	first, ok := good(a, one)
	if !ok {
		t.Fatal("it was not good")
	}
	ended := make(chan grant.End, 2)
	stop := first.OnEnd(func(reason grant.End) { ended <- reason })
	defer stop()
	for _, v := range []Revocation{{JTI: "1"}, {Subject: "carl"}} {
		if err := a.Revoke(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	if reason := <-ended; reason != Revoked || first.Ended() != Revoked {
		t.Errorf("OnEnd got %q, and Ended returns %q", reason, first.Ended())
	}
	check := func(token string, want bool) {
		t.Helper()
		if _, ok := good(a, token); ok != want {
			t.Errorf("it is good: %v, want %v", ok, want)
		}
	}
	for range 2 {
		check(one, false)
		check(two, true)
		check(before, false)
		check(noTime, false)
		done()
		a, _, done = openStore(t, dir, 10*time.Second)
	}
	defer func() { done() }()
	check(sign("5", "carl", now.Add(5*time.Second)), true)
	if err := a.Revoke(ctx, Revocation{}); !errors.Is(err, ErrRevocation) {
		t.Error(err)
	}
}
