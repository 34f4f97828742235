package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/user"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// guessing is an authenticator with each kind of credential.
type guessing struct {
	*Authenticator
	log                                             *eventlog.Log
	stored, minted, access, refresh, token, expired string
}

const (
	keyChosen = "chosen-by-somebody"
	keyOther  = "chosen-by-another"
	keyOld    = "chosen-and-expired"
	keyLong   = "chosen-by-somebody-who-likes-them"
)

func newGuessing(t *testing.T) *guessing {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Log: log, TokenSecret: storeSecret, Secrets: []string{testSecret}, Passwords: passwords.Cheap(), APIKeys: fmt.Sprintf(
		`[{"name":"a","key":%q,"sub":["*"]},{"name":"b","key":%q},{"name":"c","key":%q,"expires":"1999-01-01T00:00:00Z"},{"name":"d","key":%q}]`, keyChosen, keyOther, keyOld, keyLong)})
	if err != nil {
		t.Fatal(err)
	}
	g := &guessing{Authenticator: a, log: log}
	ctx := context.Background()
	_, g.stored, err = a.CreateKey(ctx, KeyChange{Name: ptr("stored"), Sub: &[]string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{g.stored}})
	if bad != nil {
		t.Fatal(bad)
	}
	if g.minted, _, err = a.Mint(id, grant.Lists{Sub: []string{"*"}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Users().Add(ctx, "ann@example.com", user.Change{Password: ptr("a password of hers")}); err != nil {
		t.Fatal(err)
	}
	s, err := a.Login(ctx, "192.0.2.77", "ann@example.com", "a password of hers")
	if err != nil {
		t.Fatal(err)
	}
	g.access, g.refresh = s.Access, s.Refresh
	g.token, g.expired = hs(t, `{"exp":9999999999}`), hs(t, `{"exp":1}`)
	return g
}

// stop ends all goroutines, before a test's bubble does.
func (g *guessing) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(g.Close(), g.log.Close()); err != nil {
		t.Error(err)
	}
}

// is returns the result for a credential from an address: ok, or a code.
func (g *guessing) is(from, credential string) string {
	_, bad := g.Authenticate(context.Background(), Carriers{Header: []string{credential}, From: from})
	if bad == nil {
		return "ok"
	}
	if (bad.Status == 429) != (bad.After > 0) {
		return fmt.Sprintf("%d after %s", bad.Status, bad.After)
	}
	return bad.Code
}

// Each wrong credential is charged to its address. After too many, credentials that people may have made up are refused,
// the right ones too, unless they have come from there before. A right credential is never charged, and one that cannot
// be guessed always passes.
func TestGuesses(t *testing.T) {
	t.Parallel()
	const home, elsewhere = "192.0.2.1", "198.51.100.1"
	wrong := map[string]string{
		"wrong-key": "invalid_key", "": "", "a.b.c": "invalid_token", strings.Repeat("x", 9<<10) + ".y.z": "invalid_token",
	}
	forged := hs(t, `{"exp":9999999999}`)
	wrong[forged[:len(forged)-4]+"AAAA"] = "invalid_token"
	wrong[forged+"\n"] = "invalid_token"
	delete(wrong, "")
	for credential, code := range wrong {
		synctest.Test(t, func(t *testing.T) {
			g := newGuessing(t)
			defer g.stop(t)
			genuine := map[string]string{
				keyOld: "expired_key", g.expired: "expired_token", g.stored: "ok", g.minted: "ok", g.access: "ok", g.token: "ok", keyChosen: "ok",
			}
			for range 2 * keyTries.Burst {
				for one, want := range genuine {
					if got := g.is(home, one); got != want {
						t.Fatalf("%.20s: %s, want %s", one, got, want)
					}
				}
			}
			for n := range keyTries.Burst {
				if got := g.is(home, credential); got != code {
					t.Fatalf("try %d: %s", n, got)
				}
			}
			for range 3000 {
				if got := g.is(home, credential); got != TooManyTries {
					t.Fatalf("after all tries: %s", got)
				}
			}
			for one, want := range genuine {
				if got := g.is(home, one); got != want {
					t.Errorf("%.20s at an address without tries: %s, want %s", one, got, want)
				}
			}
			if got := g.is(home, keyLong); got != "ok" {
				t.Errorf("a long key: %s", got)
			}
			if got := g.is(home, keyOther); got != TooManyTries {
				t.Errorf("a right key that never came from there: %s", got)
			}
			if _, err := g.Refresh(context.Background(), home, g.refresh); err != nil {
				t.Errorf("a right refresh token: %v", err)
			}
			if got := g.is(elsewhere, credential); got != code {
				t.Errorf("elsewhere: %s", got)
			}
			time.Sleep(keyTries.Every)
			if got := g.is(home, keyOther); got != "ok" {
				t.Errorf("a right key after a while: %s", got)
			}
		})
	}
}

// Refresh tokens are charged as keys are.
func TestGuessesOfRefreshTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGuessing(t)
		defer g.stop(t)
		tries := 0
		for range 2 * keyTries.Burst {
			if _, err := g.Refresh(context.Background(), "192.0.2.1", "ID.wrong"); err == ErrBadLogin {
				tries++
			}
		}
		if tries != keyTries.Burst {
			t.Errorf("%d tries", tries)
		}
		if got := g.is("192.0.2.1", "wrong-key"); got != TooManyTries {
			t.Error(got)
		}
	})
}

// ADMIN_KEY cannot be guessed: 30 tries pass at once, and then one every two seconds.
func TestAdministrator(t *testing.T) {
	t.Parallel()
	const right, long, home = "the administrator's key", "the administrator's key, and more", "192.0.2.1"
	synctest.Test(t, func(t *testing.T) {
		a := NewAdministrator(right)
		codes := func(from, key string) string {
			if bad := a.Check(from, key); bad != nil {
				return bad.Code
			}
			return "ok"
		}
		for range 100 {
			if got := codes(home, right); got != "ok" || !a.Is(home, right) || a.Is(home, "wrong") {
				t.Fatal(got)
			}
		}
		got := map[string]int{}
		for range 3000 {
			got[codes(home, "wrong")]++
		}
		if got[InvalidAdminKey] != adminTries.Burst || got[TooManyTries] != 3000-adminTries.Burst {
			t.Error(got)
		}
		if got := codes(home, right); got != "ok" {
			t.Errorf("the right key where it was used before: %s", got)
		}
		for range adminTries.Burst {
			codes("192.0.2.2", "wrong")
		}
		if got := codes("192.0.2.2", right); got != TooManyTries || a.Is("192.0.2.2", right) {
			t.Errorf("the right key where it was not used before: %s", got)
		}
		time.Sleep(adminTries.Every)
		if got := codes("192.0.2.2", right); got != "ok" {
			t.Errorf("after a while: %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) { // a client with many addresses
		a := NewAdministrator(right)
		a.Check(home, right)
		passed := 0
		for n := range 3000 {
			if a.Check(fmt.Sprintf("2001:db8:0:%x::1", n), "wrong").Code == InvalidAdminKey {
				passed++
			}
		}
		if passed != allAdminTries.Burst || a.Check(home, right) != nil || a.Check("192.0.2.2", right) == nil {
			t.Errorf("%d passed", passed)
		}
	})
	synctest.Test(t, func(t *testing.T) { // nobody guesses a long key
		a := NewAdministrator(long)
		for range 100 {
			a.Check(home, "wrong")
		}
		if bad := a.Check(home, long); bad != nil || !a.Is(home, long) || a.Check(home, "wrong").Code != TooManyTries {
			t.Error(bad)
		}
	})
	for _, key := range []string{"", "x"} {
		if none := NewAdministrator(""); none.Exists() || none.Is(home, key) || none.Check(home, key) == nil {
			t.Errorf("%q is the key of nobody", key)
		}
	}
}
