package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/store/eventlog"
	"sluice/store/eventlog/pebble"
)

func open(t *testing.T, dir string) (*account.Store, func()) {
	t.Helper()
	engine, err := pebble.Open(pebble.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := account.Open(log, passwords.Cheap())
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), context.Background()
	s, done := open(t, dir)
	var changed []string
	s.OnChange(func(a *account.Account) { changed = append(changed, a.Username) })
	if _, err := s.Create(ctx, "ann@example.org", "Ann", "secret"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, "bob", "", "hidden"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, password string
		want           error
	}{
		{"ann@example.org", "x", account.ErrTaken},
		{"", "x", account.ErrName},
		{"root", "x", account.ErrName},
		{"current", "x", account.ErrName},
		{"a:b", "x", account.ErrName},
		{"a/b", "x", account.ErrName},
		{" a", "x", account.ErrName},
		{"a\nb", "x", account.ErrName},
		{strings.Repeat("x", 257), "x", account.ErrName},
		{"carl", "", account.ErrPassword},
		{"carl", strings.Repeat("x", 73), account.ErrPassword},
	} {
		if _, err := s.Create(ctx, tt.name, "", tt.password); !errors.Is(err, tt.want) {
			t.Errorf("create %q with %d bytes of password: %v, want %v", tt.name, len(tt.password), err, tt.want)
		}
	}
	verify := func(name, password string, want bool) {
		t.Helper()
		a, err := s.Verify(ctx, "", name, password)
		if (err == nil) != want || want && a.Username != name {
			t.Errorf("%q with %q: %+v, %v", name, password, a, err)
		}
		if err != nil && strings.Contains(err.Error(), password) && password != "" {
			t.Errorf("the error holds the password: %v", err)
		}
	}
	verify("ann@example.org", "secret", true)
	verify("ann@example.org", "secret", true)
	verify("ann@example.org", "Secret", false)
	verify("ann@example.org", "", false)
	verify("nobody", "secret", false)
	if err := s.SetActive(ctx, "bob", false); err != nil {
		t.Fatal(err)
	}
	verify("bob", "hidden", false)
	var tries *passwords.TriesError
	for range 20 { // otherwise the right password of an inactive account could be guessed
		_, err := s.Verify(ctx, "192.0.2.9", "bob", "hidden")
		errors.As(err, &tries)
	}
	if tries == nil {
		t.Error("the right password of an account that is not active is not charged")
	}
	ann, err := s.Get("ann@example.org")
	if err != nil || strings.Contains(ann.Hash, "secret") {
		t.Fatal(ann, err)
	}
	if err := s.Destroy(ctx, "ann@example.org"); err != nil {
		t.Fatal(err)
	}
	verify("ann@example.org", "secret", false)
	again, err := s.Create(ctx, "ann@example.org", "Ann", "other")
	if err != nil || again.ID == ann.ID {
		t.Fatal(again, err)
	}
	verify("ann@example.org", "secret", false)
	if strings.Join(changed, " ") != "bob ann@example.org" {
		t.Errorf("OnChange got %v", changed)
	}
	done()

	s, done = open(t, dir)
	defer done()
	verify("ann@example.org", "other", true)
	verify("bob", "hidden", false)
	if err := s.SetActive(ctx, "bob", true); err != nil {
		t.Fatal(err)
	}
	verify("bob", "hidden", true)
	if all := s.All(); len(all) != 2 || all[0].Username != "ann@example.org" {
		t.Errorf("%+v", all)
	}
	for _, err := range []error{s.SetActive(ctx, "nobody", true), s.Destroy(ctx, "nobody")} {
		if !errors.Is(err, account.ErrUnknown) {
			t.Error(err)
		}
	}
}
