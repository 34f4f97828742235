package user

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/auth/passwords"
	"sluice/store/eventlog"
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

// The right password of an inactive user is charged as a wrong one; otherwise it could be guessed.
func TestInactiveIsCharged(t *testing.T) {
	t.Parallel()
	ctx, c := context.Background(), &clock{time.Now()}
	s, done := open(t, t.TempDir(), c)
	defer done()
	if _, err := s.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Change(ctx, "ann@example.org", Change{Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	var tries *passwords.TriesError
	for n := range 11 {
		_, _, err := s.Login(ctx, "192.0.2.1", "ann@example.org", right)
		if over := errors.As(err, &tries); over != (n >= 10) || !over && !errors.Is(err, ErrBadLogin) {
			t.Errorf("try %d: %v", n, err)
		}
	}
}

// A refresh token works once, for seven days, also after a restart. It ends with a logout and with its user. A second use
// ends the session.
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
	done()
	s, done = open(t, dir, c)
	third := refresh(second, true)
	u, err := s.Get(context.Background(), "ann@example.org")
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
	other := login()
	for _, used := range []func(token string){
		func(token string) { refresh(token, false) },
		func(token string) {
			if err := s.Logout(ctx, token); !errors.Is(err, ErrBadLogin) {
				t.Errorf("logout with a used token: %v", err)
			}
		},
	} {
		stolen := login()
		mine := refresh(stolen, true)
		life := s.Session(u.ID, SessionOf(mine))
		mine = refresh(mine, true)
		if life == nil || life.Ended() != "" || s.Session(u.ID, SessionOf(mine)) != life || SessionOf(stolen) != SessionOf(mine) {
			t.Error("another session comes with another refresh")
		}
		used(stolen)
		refresh(mine, false)
		if life.Ended() != "revoked" || s.Session(u.ID, SessionOf(mine)) != nil {
			t.Error("the session goes on")
		}
		done()
		s, done = open(t, dir, c)
		refresh(mine, false)
	}
	other = refresh(other, true)
	if _, _, err := s.Refresh(ctx, gone[:len(gone)-8]+"AAAAAAAA"); !errors.Is(err, ErrBadLogin) {
		t.Error(err)
	}
	refresh(gone, false) // somebody made up another token of its session
	gone = other
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

// If many clients use one refresh token at once, one gets the next token. That is worthless, because the others used the
// first one again.
func TestRefreshOnce(t *testing.T) {
	t.Parallel()
	ctx, c := context.Background(), &clock{time.Now()}
	s, done := open(t, t.TempDir(), c)
	defer done()
	if _, err := s.Add(ctx, "ann@example.org", ann()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, token, err := s.Login(ctx, "", "ann@example.org", right)
		if err != nil {
			t.Fatal(err)
		}
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
		if _, _, err := s.Refresh(ctx, <-next); !errors.Is(err, ErrBadLogin) {
			t.Errorf("the session goes on: %v", err)
		}
	}
	if n := strings.Count(stored(t, s), rowSession); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// A user has a largest number of sessions; then the oldest ends. Expired sessions are deleted, also those of users who never
// come back.
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
	// If there are too many for one commit, several sweeps delete them.
	u, err := s.Get(context.Background(), "ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2*maxSwept + 1 {
		id := fmt.Sprintf("%s%d", u.ID, n/maxSessions)
		s.sessions.of[id] = append(s.sessions.of[id], &session{id: fmt.Sprint(n), expires: c.at.Unix()})
	}
	c.at = c.at.Add(sweepEvery)
	for range 3 {
		login("bob@example.org")
	}
	if len(s.sessions.of) != 1 || len(s.sessions.of[s.find("bob@example.org").ID]) != 4 {
		t.Errorf("%d users have sessions", len(s.sessions.of))
	}
}

// A session that an earlier version stored goes on. Its first refresh turns it into one like all others.
func TestSessionOfEarlierVersion(t *testing.T) {
	t.Parallel()
	ctx, dir, c := context.Background(), t.TempDir(), &clock{time.Now()}
	s, done := open(t, dir, c)
	u, err := s.Add(ctx, "ann@example.org", ann())
	if err != nil {
		t.Fatal(err)
	}
	old := func(n byte) string {
		t.Helper()
		token := u.ID + "." + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{n}, secretBytes))
		hash := sha256.Sum256([]byte(token))
		row := eventlog.Row{Key: rowSession + u.ID + "/" + hex.EncodeToString(hash[:]), Value: fmt.Append(nil, c.at.Add(sessionTTL).Unix())}
		if err := s.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{row}}); err != nil {
			t.Fatal(err)
		}
		return token
	}
	one, two := old(1), old(2)
	done()
	s, done = open(t, dir, c)
	defer func() { done() }()
	_, next, err := s.Refresh(ctx, one)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Refresh(ctx, one); !errors.Is(err, ErrBadLogin) {
		t.Error(err)
	}
	_, last, err := s.Refresh(ctx, next)
	if err != nil || s.Session(u.ID, SessionOf(last)) == nil {
		t.Error(err)
	}
	if _, _, err := s.Refresh(ctx, next); !errors.Is(err, ErrUsed) {
		t.Error(err)
	}
	if err := s.Logout(ctx, two); err != nil {
		t.Error(err)
	}
	if text := stored(t, s); strings.Contains(text, rowSession) {
		t.Errorf("sessions are left:\n%s", text)
	}
}
