package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/rows"
)

// two opens two stores on one log.
func two(t *testing.T) (log *eventlog.Log, a, b *account.Store) {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	stores := [2]*account.Store{}
	for i := range stores {
		if stores[i], err = account.Open(log, passwords.Cheap()); err != nil {
			t.Fatal(err)
		}
	}
	return log, stores[0], stores[1]
}

// TestTwoStores: what one store changes is in force in the other, which ends what depends on it.
func TestTwoStores(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, a, b := two(t)
	ended := make(chan string, 10)
	b.OnChange(func(of *account.Account) { ended <- of.ID })
	made, err := a.Create(ctx, "ann", "Ann", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(ctx, "ann", "", "other"); !errors.Is(err, account.ErrTaken) {
		t.Errorf("the name was made twice: %v", err)
	}
	if got, err := b.Verify(ctx, "", "ann", "secret"); err != nil || got.ID != made.ID {
		t.Errorf("%+v, %v", got, err)
	}
	if err := a.SetActive(ctx, "ann", false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Verify(ctx, "", "ann", "secret"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("it signs in although it is stopped: %v", err)
	}
	if id := <-ended; id != made.ID {
		t.Errorf("%s has ended", id)
	}
	if err := b.Destroy(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if id := <-ended; id != made.ID {
		t.Errorf("%s has ended", id)
	}
	if err := a.Destroy(ctx, "ann"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("it was destroyed twice: %v", err)
	}
	if n := len(a.All()) + len(b.All()); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}

// TestRacesOfTwoStores: of each name exactly one account is made and one is destroyed, and both stores agree.
func TestRacesOfTwoStores(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, a, b := two(t)
	names := make([]string, 15)
	for i := range names {
		names[i] = fmt.Sprintf("name %d", i)
	}
	// once runs f for each name on both stores at the same time. It returns how often f succeeded.
	once := func(taken error, f func(s *account.Store, name string) error) map[string]int {
		var mu sync.Mutex
		var group sync.WaitGroup
		done := map[string]int{}
		for _, name := range names {
			for _, s := range []*account.Store{a, b} {
				group.Go(func() {
					err := f(s, name)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						done[name]++
					} else if !errors.Is(err, taken) {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
		}
		group.Wait()
		return done
	}
	check := func(what string, done map[string]int) {
		t.Helper()
		for _, name := range names {
			if done[name] != 1 {
				t.Errorf("%s: %s was done %d times", name, what, done[name])
			}
		}
	}
	check("make", once(account.ErrTaken, func(s *account.Store, name string) error {
		made, err := s.Create(ctx, name, "", "secret")
		if err != nil {
			return err
		}
		if got, err := s.Get(name); err != nil || got.ID != made.ID {
			t.Errorf("%s: %+v, %v, want %s", name, got, err, made.ID)
		}
		return nil
	}))
	for range 3 {
		once(nil, func(s *account.Store, name string) error { return s.SetActive(ctx, name, s == a) })
	}
	for _, name := range names {
		one, err := a.Get(name)
		other, err2 := b.Get(name)
		if err != nil || err2 != nil || *one != *other {
			t.Errorf("%+v, %v, and %+v, %v", one, err, other, err2)
		}
	}
	check("destroy", once(account.ErrUnknown, func(s *account.Store, name string) error { return s.Destroy(ctx, name) }))
	if n := len(a.All()) + len(b.All()); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}

// TestRowOfNewerVersion: a change keeps the fields of a newer version.
func TestRowOfNewerVersion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	log, a, b := two(t)
	row := eventlog.Row{Key: rows.Account + "ann", Value: []byte(`{"id":"1","username":"ann","active":true,"hash":"","later":[1]}`)}
	if _, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{row}}); err != nil {
		t.Fatal(err)
	}
	if err := a.SetActive(ctx, "ann", false); err != nil {
		t.Fatal(err)
	}
	if value, err := log.Row(row.Key); err != nil || !strings.Contains(string(value), `"later":[1]`) {
		t.Errorf("%s, %v", value, err)
	}
	row.Value = []byte(`[]`) // no account that this version can read
	if _, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{row}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get("ann"); !errors.Is(err, account.ErrUnknown) {
		t.Error("what cannot be read is in force")
	}
}
