package user

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// two opens two stores on one log, which gives up soon when the gate is shut.
func two(t *testing.T, wait time.Duration) (gate *logtest.Gate, a, b *Store) {
	t.Helper()
	gate = &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: wait})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	stores := [2]*Store{}
	for i := range stores {
		if stores[i], err = Open(log, passwords.Cheap(), time.Now); err != nil {
			t.Fatal(err)
		}
	}
	return gate, stores[0], stores[1]
}

// TestTwoStores: a user whom one store has changed is changed in the other, with sessions and all that was opened with them.
func TestTwoStores(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, a, b := two(t, 0)
	if _, err := a.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(ctx, "ann@example.org", ann()); !errors.Is(err, ErrTaken) {
		t.Errorf("two users have one email: %v", err)
	}
	password := right
	// signIn opens a session on a and refreshes it on b. It returns the lives of the user and of the session there.
	signIn := func() (user, session *grant.Life, token string) {
		t.Helper()
		_, token, err := a.Login(ctx, "", "ann@example.org", password)
		if err != nil {
			t.Fatal(err)
		}
		u, token, err := b.Refresh(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		return u.Life, b.Session(u.ID, SessionOf(token)), token
	}
	check := func(what string, life *grant.Life, want grant.End) {
		t.Helper()
		b.effects.Wait()
		if life.Ended() != want {
			t.Errorf("%s ended with %q, want %q", what, life.Ended(), want)
		}
	}
	user, session, token := signIn()
	if _, err := a.Change(ctx, "ann@example.org", Change{Sub: ptr([]string{"more"})}); err != nil {
		t.Fatal(err)
	}
	check("changed: the user", user, grant.Changed)
	check("changed: the session", session, "")
	if again := b.Session(b.find("ann@example.org").ID, SessionOf(token)); again != session { // its client is back
		t.Error("the session is another one")
	}
	if err := a.Logout(ctx, token); err != nil {
		t.Fatal(err)
	}
	check("signed out: the session", session, grant.Revoked)
	if _, _, err := b.Refresh(ctx, token); !errors.Is(err, ErrBadLogin) {
		t.Errorf("signed out: %v", err)
	}

	user, session, token = signIn()
	password = "another one"
	if _, err := a.Change(ctx, "ann@example.org", Change{Password: &password}); err != nil {
		t.Fatal(err)
	}
	check("another password: the user", user, grant.Changed)
	check("another password: the session", session, grant.Changed)
	if _, _, err := b.Login(ctx, "", "ann@example.org", right); !errors.Is(err, ErrBadLogin) {
		t.Errorf("the old password: %v", err)
	}
	if _, _, err := b.Refresh(ctx, token); !errors.Is(err, ErrBadLogin) {
		t.Errorf("another password: %v", err)
	}

	user, session, _ = signIn()
	if _, err := a.Change(ctx, "ann@example.org", Change{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	check("stopped: the user", user, grant.Revoked)
	check("stopped: the session", session, grant.Revoked)
	if _, err := b.Change(ctx, "ann@example.org", Change{Active: ptr(true)}); err != nil {
		t.Fatal(err)
	}
	user, session, _ = signIn()
	if err := a.Remove(ctx, "ann@example.org"); err != nil {
		t.Fatal(err)
	}
	check("removed: the user", user, grant.Revoked)
	check("removed: the session", session, grant.Revoked)
	if err := b.Remove(ctx, "ann@example.org"); !errors.Is(err, ErrUnknown) {
		t.Errorf("removed twice: %v", err)
	}
	if n := a.Count() + b.Count() + len(a.sessions.of) + len(b.sessions.of) + len(a.byID) + len(b.byID); n != 0 {
		t.Errorf("%d users and sessions are left", n)
	}
}

// both runs f on both stores at the same time, and returns how often it succeeded. Other errors than want are faults.
func both(t *testing.T, want error, a, b *Store, f func(s *Store) error) (done int) {
	t.Helper()
	results := make(chan error, 2)
	for _, s := range []*Store{a, b} {
		go func() { results <- f(s) }()
	}
	for range 2 {
		if err := <-results; err == nil {
			done++
		} else if !errors.Is(err, want) {
			t.Error(err)
		}
	}
	return done
}

// TestRacesOfTwoStores: of two users with one email one is made; a refresh token that is used in both stores works once; and
// whoever signs in while the password changes is signed out, or was too late.
func TestRacesOfTwoStores(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, a, b := two(t, 0)
	for n := range 20 {
		email := fmt.Sprintf("u%d@example.org", n)
		if done := both(t, ErrTaken, a, b, func(s *Store) error { _, err := s.Add(ctx, email, ann()); return err }); done != 1 {
			t.Errorf("%d users were made", done)
		}
		_, token, err := a.Login(ctx, "", email, right)
		if err != nil {
			t.Fatal(err)
		}
		if done := both(t, ErrBadLogin, a, b, func(s *Store) error { _, _, err := s.Refresh(ctx, token); return err }); done != 1 {
			t.Errorf("a refresh token worked %d times", done)
		}
		var early string
		both(t, ErrBadLogin, a, b, func(s *Store) (err error) {
			if s == a {
				_, err = s.Change(ctx, email, Change{Password: ptr("another one")})
			} else {
				_, early, err = s.Login(ctx, "", email, right)
			}
			return err
		})
		if _, _, err := b.Refresh(ctx, early); !errors.Is(err, ErrBadLogin) {
			t.Errorf("a session of the old password goes on: %v", err)
		}
		if done := both(t, ErrUnknown, a, b, func(s *Store) error { return s.Remove(ctx, email) }); done != 1 {
			t.Errorf("a user was removed %d times", done)
		}
	}
	if text := stored(t, a); text != "" {
		t.Errorf("rows are left:\n%s", text)
	}
}

// TestChangesOfTwoStores: of many changes of one user in both stores none is lost.
func TestChangesOfTwoStores(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, a, b := two(t, 0)
	if _, err := a.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n, s := range []*Store{a, b} {
		group.Go(func() {
			for i := range 100 {
				c := Change{Sub: ptr([]string{fmt.Sprint("s", i)})}
				if n == 1 {
					c = Change{Pub: ptr([]string{fmt.Sprint("p", i)})}
				}
				if _, err := s.Change(ctx, "ann@example.org", c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	one, other := a.find("ann@example.org"), b.find("ann@example.org")
	if one.Version != other.Version || one.Sub[0] != "s99" || one.Pub[0] != "p99" {
		t.Errorf("%+v and %+v", one, other)
	}
}

// TestLateSessions: a session whose maker has given up is there once it is stored, and so is a renewal.
func TestLateSessions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	gate, a, b := two(t, 30*time.Millisecond)
	if _, err := a.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	u, token, err := a.Login(ctx, "", "ann@example.org", right)
	if err != nil {
		t.Fatal(err)
	}
	sessions := func(s *Store) int { return len(s.sessions.names(u.ID + "/")) }
	rows := stored(t, a)
	gate.RunLate(t, []logtest.Late{
		{Name: "refresh", Change: func() error { _, _, err := a.Refresh(ctx, token); return err }, InForce: func() bool { return stored(t, a) != rows }},
		{Name: "sign in", Change: func() error { _, _, err := a.Login(ctx, "", "ann@example.org", right); return err }, InForce: func() bool { return sessions(a) == 2 && sessions(b) == 2 }},
	})
	if _, _, err := b.Refresh(ctx, token); !errors.Is(err, ErrUsed) || sessions(a) != 1 {
		t.Errorf("a token works although its renewal was stored: %v, %d sessions", err, sessions(a))
	}
}

// TestRowsOfNewerVersion: changes keep the fields of a newer version.
func TestRowsOfNewerVersion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, a, b := two(t, 0)
	u, err := a.Add(ctx, "ann@example.org", ann())
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := a.Login(ctx, "", "ann@example.org", right)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{rowUser + u.Email, sessionKey(u.ID, SessionOf(token))} {
		value, err := a.log.Row(key)
		if err != nil {
			t.Fatal(err)
		}
		value = append(value[:len(value)-1:len(value)-1], `,"later":[1]}`...)
		if err := a.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{{Key: key, Value: value}}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Refresh(ctx, token); err != nil {
		t.Error(err)
	}
	if _, err := b.Change(ctx, "ann@example.org", Change{Sub: ptr([]string{"more"})}); err != nil {
		t.Error(err)
	}
	if text := stored(t, a); strings.Count(text, `"later":[1]`) != 2 {
		t.Errorf("fields are gone:\n%s", text)
	}
}
