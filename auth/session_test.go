package auth

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/auth/user"
	"sluice/channel"
)

// The access token of a session is accepted wherever a key is. It has the grant of its user, and ends when that changes. The
// next session has the new grant.
func TestSession(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	a, _, done := openStore(t, dir, 0)
	const email, password = "ann@example.org", "correct horse"
	if _, err := a.Users().Add(ctx, email, user.Change{Password: ptr(password), Sub: ptr([]string{"news"}), Rest: ptr([]string{"GET:*", "patch:customer"})}); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	s, err := a.Login(ctx, "", " Ann@example.org", password)
	if err != nil || s.TTL != 15*time.Minute || s.Expires.Before(before.Add(s.TTL)) || s.Expires.After(time.Now().Add(s.TTL+time.Second)) {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := a.Login(ctx, "", email, "wrong horse"); !errors.Is(err, ErrBadLogin) {
		t.Error(err)
	}
	done()

	a, _, done = openStore(t, dir, 0)
	var id *Identity
	for name, c := range map[string]Carriers{"bearer": {Bearer: []string{s.Access}}, "header": {Header: []string{s.Access}}} {
		var bad *Error
		if id, bad = a.Authenticate(context.Background(), c); bad != nil {
			t.Fatal(name, bad)
		}
		u, err := a.Users().Get(context.Background(), email)
		if err != nil || id.Name != email || id.Kind != "jwt" || id.Scope != "user\x00"+u.ID || !id.Expires.Equal(s.Expires) ||
			id.Sub.String() != "news" || !id.Pub.Empty() || id.Rest.String() != "GET:*,PUT:customer" || !id.Rest.Match(channel.Of("", "PATCH", "customer")) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if both, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{s.Access}, Header: []string{"0123456789abcdef"}}); bad != nil || both.Sub.String() != "*" || both.Rest.String() != "GET:*,PUT:customer" {
		t.Errorf("beside a key: %+v, %v", both, bad)
	}
	if _, _, err := a.Mint(id, grant.Lists{Sub: []string{"news"}}, time.Hour); !errors.Is(err, ErrNoMint) {
		t.Error(err)
	}
	for _, refused := range []string{s.Refresh, s.Access + "x", s.Access[:len(s.Access)-4] + "AAAA"} {
		if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{refused}}); bad == nil {
			t.Errorf("%q is taken", refused)
		}
	}
	for _, tt := range []struct {
		name   string
		change user.Change
		reason grant.End
	}{
		{"grants", user.Change{Pub: ptr([]string{"chat"})}, Changed},
		{"password", user.Change{Password: ptr("another one")}, Changed},
		{"deactivated", user.Change{Active: ptr(false)}, Revoked},
	} {
		ended := make(chan grant.End, 1)
		stop := id.OnEnd(func(reason grant.End) { ended <- reason })
		if _, err := a.Users().Change(ctx, email, tt.change); err != nil {
			t.Fatal(err)
		}
		if reason := <-ended; reason != tt.reason || id.Ended() != tt.reason {
			t.Errorf("%s: OnEnd got %q, and Ended returns %q", tt.name, reason, id.Ended())
		}
		stop()
		for range 2 {
			if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{s.Access}}); bad == nil || bad.Code != "revoked_token" {
				t.Errorf("%s: the token is taken: %v", tt.name, bad)
			}
		}
		next, err := a.Refresh(ctx, "192.0.2.1", s.Refresh)
		if tt.name == "password" {
			if !errors.Is(err, ErrBadLogin) {
				t.Errorf("the session outlives the password: %v", err)
			}
			next, err = a.Login(ctx, "", email, "another one")
		}
		if tt.name == "deactivated" {
			if !errors.Is(err, ErrBadLogin) {
				t.Errorf("the session of who is not active goes on: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(tt.name, err)
		}
		s = next
		var bad *Error
		if id, bad = a.Authenticate(context.Background(), Carriers{Bearer: []string{s.Access}}); bad != nil || id.Pub.String() != "chat" {
			t.Fatal(tt.name, id, bad)
		}
	}
	done()
	a, _, done = openStore(t, dir, 0)
	defer done()
	if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{s.Access}}); bad == nil {
		t.Error("the token of who is not active is taken after a restart")
	}
}

// An access token lives for a quarter of an hour. It ends with a revocation of its jti and with its user, and counts for the
// publish rate. REALTIME_GLOBAL and the settings JWT_… do not apply to it.
func TestAccessToken(t *testing.T) {
	t.Parallel()
	ctx, now := context.Background(), time.Now()
	a := openMemory(t, Options{TokenSecret: storeSecret + " and another", Global: true, PublishRate: 2, Secrets: []string{storeSecret}, Issuer: "us", DefaultSub: []string{"x"}, Now: func() time.Time { return now }})
	const email, password = "ann@example.org", "correct horse"
	if _, err := a.Users().Add(ctx, email, user.Change{Password: ptr(password), Pub: ptr([]string{"chat"})}); err != nil {
		t.Fatal(err)
	}
	login := func() (*Session, *Identity) {
		t.Helper()
		s, err := a.Login(ctx, "", email, password)
		if err != nil {
			t.Fatal(err)
		}
		id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{s.Access}})
		if bad != nil || !id.Sub.Empty() || id.Pub.String() != "chat" || !id.Rest.Empty() {
			t.Fatal(id, bad)
		}
		return s, id
	}
	code := func(token string) string {
		_, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{token}})
		if bad == nil {
			return ""
		}
		return bad.Code
	}
	first, one := login()
	second, two := login()
	if ok, _ := one.Take(now, 2); !ok {
		t.Error("the first was not let publish")
	}
	if ok, _ := two.Take(now, 1); ok {
		t.Error("a second session has a rate of its own")
	}
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(first.Access, &claims); err != nil || claims.Subject != "" {
		t.Fatal(claims, err)
	}
	if err := a.Revoke(ctx, Revocation{JTI: claims.ID}); err != nil {
		t.Fatal(err)
	}
	if one.Ended() != Revoked || two.Ended() != "" || code(first.Access) != "revoked_token" || code(second.Access) != "" {
		t.Errorf("%q %q %q %q", one.Ended(), two.Ended(), code(first.Access), code(second.Access))
	}
	now = second.Expires.Add(-time.Millisecond)
	if c := code(second.Access); c != "" {
		t.Errorf("before its end: %s", c)
	}
	now = second.Expires
	if c := code(second.Access); c != "expired_token" {
		t.Errorf("at its end: %s", c)
	}
	third, three := login()
	if err := a.Users().Remove(ctx, email); err != nil || three.Ended() != Revoked || code(third.Access) != "revoked_token" {
		t.Error(err, three.Ended(), code(third.Access))
	}
	if err := a.Logout(ctx, third.Refresh); !errors.Is(err, ErrBadLogin) {
		t.Error(err)
	}
}

// An access token ends with its session: by a logout, and by a refresh token that is used twice. A refresh ends none.
func TestAccessTokenEndsWithSession(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a := openMemory(t, Options{TokenSecret: storeSecret})
	const email, password = "ann@example.org", "correct horse"
	if _, err := a.Users().Add(ctx, email, user.Change{Password: ptr(password), Pub: ptr([]string{"chat"})}); err != nil {
		t.Fatal(err)
	}
	login := func() *Session {
		t.Helper()
		s, err := a.Login(ctx, "", email, password)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	other := login()
	for name, end := range map[string]func(first, last *Session) error{
		"logout":               func(_, last *Session) error { return a.Logout(ctx, last.Refresh) },
		"a used token":         func(first, _ *Session) error { _, err := a.Refresh(ctx, "192.0.2.1", first.Refresh); return err },
		"logout by a used one": func(first, _ *Session) error { return a.Logout(ctx, first.Refresh) },
	} {
		first := login()
		last, err := a.Refresh(ctx, "192.0.2.1", first.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		var ids []*Identity
		ended := make(chan grant.End, 2)
		for _, s := range []*Session{first, last} {
			id := a.bearer(t, s.Access)
			defer id.OnEnd(func(reason grant.End) { ended <- reason })()
			ids = append(ids, id)
		}
		if err := end(first, last); (err == nil) != (name == "logout") || err != nil && !errors.Is(err, ErrBadLogin) {
			t.Errorf("%s: %v", name, err)
		}
		for i, s := range []*Session{first, last} {
			_, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{s.Access}})
			if reason := <-ended; reason != Revoked || ids[i].Ended() != Revoked || codeOf(bad) != "revoked_token" {
				t.Errorf("%s: token %d: %q, %v", name, i, reason, bad)
			}
		}
	}
	if a.bearer(t, other.Access).Ended() != "" {
		t.Error("the session of another device has ended")
	}
}

// Other issuers may use the names of our own claims for anything.
func TestOwnClaimsOfOthers(t *testing.T) {
	t.Parallel()
	a := newAuth(t, Options{Secrets: []string{testSecret}})
	for _, claim := range []string{`"user":{"id":1}`, `"user":"ann","version":"x"`, `"version":2`, `"key":["x"]`, `"user":null`} {
		id, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{hs(t, fmt.Sprintf(`{"exp":%d,"sub":"42","realtime":["a"],%s}`, time.Now().Unix()+60, claim))}})
		if bad != nil || id.Sub.String() != "a" || id.Name != "42" {
			t.Errorf("%s: %v, %v", claim, id, bad)
		}
	}
}
