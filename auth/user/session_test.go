package user

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	ctx, c := context.Background(), &clock{time.Now()}
	s, done := open(t, t.TempDir(), c)
	defer done()
	for _, email := range []string{"ann@example.org", "bob@example.org"} {
		if _, err := s.Add(ctx, email, ann()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Change(ctx, "bob@example.org", Change{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		email, password string
		ok              bool
	}{
		{"ann@example.org", right, true},
		{" ANN@example.org", right, true},
		{"ann@example.org", right + " ", false},
		{"ann@example.org", "", false},
		{"ann@example.org", right + strings.Repeat("x", 100), false},
		{"bob@example.org", right, false},
		{"carl@example.org", right, false},
		{"", right, false},
		{strings.Repeat("x", 1000), right, false},
	} {
		u, token, err := s.Login(ctx, "", tt.email, tt.password)
		if tt.ok {
			if err != nil || u.Email != "ann@example.org" || len(token) < 43 || strings.Contains(stored(t, s), token[13:]) {
				t.Errorf("%q %q: %v %v", tt.email, tt.password, u, err)
			}
			continue
		}
		if !errors.Is(err, ErrBadLogin) || token != "" || err.Error() != ErrBadLogin.Error() {
			t.Errorf("%q %q: %v", tt.email, tt.password, err)
		}
	}
}

// A refresh token is good once, for seven days, also after a reopening; a logout and the user's end are its end.
func TestRefresh(t *testing.T) {
	t.Parallel()
	ctx, dir, c := context.Background(), t.TempDir(), &clock{time.Now()}
	s, done := open(t, dir, c)
	defer func() { done() }()
	if _, err := s.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	login := func() string {
		t.Helper()
		_, token, err := s.Login(ctx, "", "ann@example.org", right)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	refresh := func(token string, ok bool) string {
		t.Helper()
		u, next, err := s.Refresh(ctx, token)
		if (err == nil) != ok || ok && (u.Email != "ann@example.org" || next == token) || !ok && !errors.Is(err, ErrBadLogin) {
			t.Fatalf("%v, want %v: %v", err, ok, u)
		}
		return next
	}
	first := login()
	second := refresh(first, true)
	refresh(first, false)
	done()
	s, done = open(t, dir, c)
	refresh(first, false)
	third := refresh(second, true)
	u, err := s.Get("ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", ".", "x", third + "x", strings.ToUpper(third), u.ID + ".", "other" + third[strings.IndexByte(third, '.'):]} {
		refresh(bad, false)
		if err := s.Logout(ctx, bad); !errors.Is(err, ErrBadLogin) {
			t.Errorf("logout of %q: %v", bad, err)
		}
	}
	c.at = c.at.Add(sessionTTL - time.Second)
	fourth := refresh(third, true)
	if err := s.Logout(ctx, fourth); err != nil {
		t.Fatal(err)
	}
	refresh(fourth, false)
	late := login()
	c.at = c.at.Add(sessionTTL - sweepEvery/2)
	gone := login() // sweeps, so that it is not the sweep that ends the other one
	c.at = c.at.Add(sweepEvery / 2)
	refresh(late, false)
	if err := s.Logout(ctx, late); !errors.Is(err, ErrBadLogin) {
		t.Error(err)
	}
	gone = refresh(gone, true)
	if err := s.Remove(ctx, "ann@example.org"); err != nil {
		t.Fatal(err)
	}
	refresh(gone, false)
	if _, err := s.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	refresh(gone, false)
	if text := stored(t, s); strings.Contains(text, rowSession) {
		t.Errorf("sessions outlive their user:\n%s", text)
	}
}

// Of many who use one refresh token at once, one is given another.
func TestRefreshOnce(t *testing.T) {
	t.Parallel()
	ctx, c := context.Background(), &clock{time.Now()}
	s, done := open(t, t.TempDir(), c)
	defer done()
	if _, err := s.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	_, token, err := s.Login(ctx, "", "ann@example.org", right)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		var won atomic.Int32
		next := make(chan string, 8)
		var group sync.WaitGroup
		for range cap(next) {
			group.Go(func() {
				if _, other, err := s.Refresh(ctx, token); err == nil {
					won.Add(1)
					next <- other
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d won", won.Load())
		}
		token = <-next
	}
	if n := strings.Count(stored(t, s), rowSession); n != 1 {
		t.Errorf("%d sessions are left of one", n)
	}
}

// A user has so many sessions, of which the oldest goes; what has expired is swept, of those who never come back too.
func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	ctx, dir, c := context.Background(), t.TempDir(), &clock{time.Now()}
	s, done := open(t, dir, c)
	defer func() { done() }()
	for _, email := range []string{"ann@example.org", "bob@example.org"} {
		if _, err := s.Add(ctx, email, ann()); err != nil {
			t.Fatal(err)
		}
	}
	login := func(email string) string {
		t.Helper()
		_, token, err := s.Login(ctx, "", email, right)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	rows := func(want int) {
		t.Helper()
		if n := strings.Count(stored(t, s), rowSession); n != want {
			t.Errorf("%d sessions are stored, want %d", n, want)
		}
	}
	tokens := make([]string, 0, maxSessions+1)
	for range maxSessions {
		tokens = append(tokens, login("ann@example.org"))
		c.at = c.at.Add(time.Second)
	}
	rows(maxSessions)
	done()
	s, done = open(t, dir, c) // the order is kept
	tokens = append(tokens, login("ann@example.org"))
	rows(maxSessions)
	for i, ok := range []bool{false, true} {
		if _, _, err := s.Refresh(ctx, tokens[i]); (err == nil) != ok {
			t.Errorf("token %d: %v", i, err)
		}
	}
	if _, _, err := s.Refresh(ctx, tokens[maxSessions]); err != nil {
		t.Errorf("the newest: %v", err)
	}
	rows(maxSessions)
	c.at = c.at.Add(sessionTTL + time.Minute)
	login("bob@example.org")
	rows(1)
	if len(s.sessions.of) != 1 {
		t.Errorf("%d users have sessions", len(s.sessions.of))
	}
	// More than one commit takes are swept by several.
	u, err := s.Get("ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2*maxSwept + 1 {
		id := fmt.Sprintf("%s%d", u.ID, n/maxSessions)
		s.sessions.of[id] = append(s.sessions.of[id], session{expires: c.at.Unix()})
	}
	c.at = c.at.Add(sweepEvery)
	for range 3 {
		login("bob@example.org")
	}
	if len(s.sessions.of) != 1 || len(s.sessions.of[s.find("bob@example.org").ID]) != 4 {
		t.Errorf("%d users have sessions", len(s.sessions.of))
	}
}
