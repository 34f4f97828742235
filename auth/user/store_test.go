package user

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of a test.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t testing.TB, dir string, c *clock) (*Store, func()) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(log, passwords.Cheap(), c.now)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

func ptr[T any](v T) *T { return &v }

const right = "correct horse"

// ann is a change that makes a user.
func ann() Change {
	return Change{Password: ptr(right), Sub: ptr([]string{"news"}), Pub: ptr([]string{"chat"}), Rest: ptr([]string{"get:customer", "PATCH:*"})}
}

// stored returns all rows of the store as one text.
func stored(t testing.TB, s *Store) string {
	t.Helper()
	var all strings.Builder
	if err := s.log.Rows("", func(r eventlog.Row) error {
		fmt.Fprintf(&all, "%s %s\n", r.Key, r.Value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestUsers(t *testing.T) {
	t.Parallel()
	ctx, dir, c := context.Background(), t.TempDir(), &clock{time.Now()}
	s, done := open(t, dir, c)
	u, err := s.Add(ctx, " Ann@Example.org ", ann())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(u); err != nil || strings.Contains(string(text), u.hash) || strings.Contains(string(text), u.Version) ||
		!strings.HasPrefix(string(text), `{"email":"ann@example.org","sub":["news"],"pub":["chat"],"rest":["GET:customer","PUT:*"],"active":true,"created":"`) {
		t.Errorf("the error is %s %v", text, err)
	}
	if text := stored(t, s); strings.Contains(text, right) || !strings.Contains(text, "user/ann@example.org") {
		t.Error(text)
	}
	many := make([]string, channel.MaxGrant)
	for i := range many {
		many[i] = fmt.Sprint("n", i)
	}
	for _, tt := range []struct {
		email  string
		change Change
		want   error
		says   string
	}{
		{"ann@example.org", ann(), ErrTaken, ""},
		{"ANN@example.org", ann(), ErrTaken, ""},
		{"", ann(), ErrInvalid, "ann@example.org"},
		{"bob", ann(), ErrInvalid, "email"},
		{"Bob <bob@example.org>", ann(), ErrInvalid, "email"},
		{`"b b"@example.org`, ann(), ErrInvalid, "email"},
		{"a/b@example.org", ann(), ErrInvalid, "email"},
		{"a%41@example.org", ann(), ErrInvalid, "email"},
		{"a\u2028b@example.org", ann(), ErrInvalid, "email"},
		{"a@b@example.org", ann(), ErrInvalid, "email"},
		{strings.Repeat("x", maxEmail) + "@example.org", ann(), ErrInvalid, "256"},
		{"bob@example.org", Change{}, ErrInvalid, "password"},
		{"bob@example.org", Change{Password: ptr("1234567")}, ErrInvalid, "8"},
		{"bob@example.org", Change{Password: ptr(strings.Repeat("x", 73))}, ErrInvalid, "72"},
		{"bob@example.org", Change{Password: ptr(right), Sub: ptr([]string{"put"})}, ErrInvalid, "sub"},
		{"bob@example.org", Change{Password: ptr(right), Rest: ptr([]string{"chat"})}, ErrInvalid, "rest"},
		{"bob@example.org", Change{Password: ptr(right), Sub: &many, Rest: ptr([]string{"*"})}, ErrInvalid, "1001"},
	} {
		if _, err := s.Add(ctx, tt.email, tt.change); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v", tt.email, err)
		}
	}
	if _, err := s.Add(ctx, "bob@example.org", Change{Password: ptr(strings.Repeat("x", 72)), Active: ptr(false)}); err != nil {
		t.Fatal(err)
	}
	s.max = 2
	if _, err := s.Add(ctx, "carl@example.org", ann()); !errors.Is(err, ErrTooMany) {
		t.Error(err)
	}
	done()

	s, done = open(t, dir, c)
	defer done()
	again, err := s.Get(context.Background(), "ANN@example.org")
	if err != nil || again.ID != u.ID || again.Version != u.Version || again.hash != u.hash || !again.same(u) || !again.Created.Equal(u.Created) || s.ByID(u.ID) != again {
		t.Fatalf("%+v, %v", again, err)
	}
	if all := s.All(); len(all) != 2 || all[0] != again || all[1].Active || s.Count() != 2 {
		t.Errorf("%v", all)
	}
	if err := s.Remove(ctx, "ann@EXAMPLE.org"); err != nil || again.Life.Ended() != grant.Revoked || s.ByID(u.ID) != nil {
		t.Error(err, again.Life.Ended())
	}
	_, err = s.Get(context.Background(), "ann@example.org")
	_, changed := s.Change(ctx, "ann@example.org", Change{})
	for _, err := range []error{err, changed, s.Remove(ctx, "ann@example.org")} {
		if !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
}

// Every real change ends the user's life and access tokens, and is still there after a restart. A change to the same values
// does nothing.
func TestChange(t *testing.T) {
	t.Parallel()
	ctx, dir, c := context.Background(), t.TempDir(), &clock{time.Now()}
	s, done := open(t, dir, c)
	defer func() { done() }()
	u, err := s.Add(ctx, "ann@example.org", ann())
	if err != nil {
		t.Fatal(err)
	}
	var token string // of the last session
	for _, tt := range []struct {
		name     string
		change   Change
		ends     grant.End
		sessions bool // they go on
	}{
		{"nothing", Change{}, "", true},
		{"the same", Change{Sub: ptr([]string{"news"}), Rest: ptr([]string{"GET:customer", "PUT:*"}), Active: ptr(true)}, "", true},
		{"sub", Change{Sub: ptr([]string{})}, grant.Changed, true},
		{"pub", Change{Pub: ptr([]string{"*"})}, grant.Changed, true},
		{"rest", Change{Rest: ptr([]string{"*"})}, grant.Changed, true},
		{"password", Change{Password: ptr("another one")}, grant.Changed, false},
		{"inactive", Change{Active: ptr(false)}, grant.Revoked, false},
		{"active", Change{Active: ptr(true)}, grant.Changed, false},
	} {
		old, err := s.Get(context.Background(), "ann@example.org")
		if err != nil {
			t.Fatal(err)
		}
		password := right
		if tt.name == "inactive" || tt.name == "active" {
			password = "another one"
		}
		_, fresh, err := s.Login(ctx, "", "ann@example.org", password)
		if (err == nil) != old.Active {
			t.Fatal(tt.name, err)
		}
		if err == nil {
			token = fresh
		}
		next, err := s.Change(ctx, "Ann@example.org", tt.change)
		if err != nil || old.Life.Ended() != tt.ends || (next.Version == old.Version) != (tt.ends == "") || next.ID != u.ID || next.Life.Ended() != "" {
			t.Errorf("%s: %v, ended %q, version %s", tt.name, err, old.Life.Ended(), next.Version)
		}
		if !tt.sessions {
			if _, _, err := s.Refresh(ctx, token); !errors.Is(err, ErrBadLogin) {
				t.Errorf("%s: before a reopening the session goes on: %v", tt.name, err)
			}
		}
		done()
		s, done = open(t, dir, c)
		if kept, err := s.Get(context.Background(), "ann@example.org"); err != nil || kept.Version != next.Version || !kept.same(next) {
			t.Errorf("%s: %+v, %v", tt.name, kept, err)
		}
		if _, _, err := s.Refresh(ctx, token); (err == nil) != tt.sessions {
			t.Errorf("%s: the session: %v", tt.name, err)
		}
	}
	if _, err := s.Change(ctx, "ann@example.org", Change{Pub: ptr([]string{"put"})}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := s.Change(ctx, "ann@example.org", Change{Password: ptr("short")}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}
