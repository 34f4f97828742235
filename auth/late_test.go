package auth

import (
	"context"
	"errors"
	"testing"
	"time"

	"sluice/auth/account"
	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/user"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// openLate is an authenticator over a log that gives up soon.
func openLate(t *testing.T) (*Authenticator, *eventlog.Log, *logtest.Gate) {
	t.Helper()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Log: log, TokenSecret: storeSecret + " and another", Secrets: []string{storeSecret}, Passwords: passwords.Cheap()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return a, log, gate
}

// A change of keys, revocations and users takes effect even if it is stored only after its client has given up.
func TestLateChanges(t *testing.T) {
	t.Parallel()
	a, _, gate := openLate(t)
	ctx := context.Background()
	info, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr([]string{"a"})})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.users.Add(ctx, "ann@example.org", user.Change{Password: ptr("correct horse")}); err != nil {
		t.Fatal(err)
	}
	_, refresh, err := a.users.Login(ctx, "192.0.2.1", "ann@example.org", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
	if bad != nil {
		t.Fatal(bad)
	}
	ended := make(chan grant.End, 1)
	defer id.OnEnd(func(reason grant.End) { ended <- reason })()
	users := func(email string) *user.User { u, _ := a.users.Get(context.Background(), email); return u }
	active := false
	gate.RunLate(t, []logtest.Late{
		{Name: "make a key", Change: func() error { _, _, err := a.CreateKey(ctx, KeyChange{Name: ptr("other")}); return err }, InForce: func() bool { return len(a.Keys()) == 2 }},
		{Name: "change a key", Change: func() error { _, err := a.UpdateKey(ctx, info.ID, KeyChange{Name: ptr("renamed")}); return err }, InForce: func() bool {
			k, err := a.Key(context.Background(), info.ID)
			return err == nil && k.Name == "renamed"
		}},
		{Name: "remove a key", Change: func() error { return a.DeleteKey(ctx, info.ID) }, InForce: func() bool {
			_, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
			return bad != nil && len(ended) == 1
		}},
		{Name: "revoke", Change: func() error { return a.Revoke(ctx, Revocation{JTI: "x"}) }, InForce: func() bool {
			a.revoked.mu.RLock()
			defer a.revoked.mu.RUnlock()
			_, is := a.revoked.jtis["x"]
			return is
		}},
		{Name: "add a user", Change: func() error {
			_, err := a.users.Add(ctx, "bob@example.org", user.Change{Password: ptr("correct horse")})
			return err
		}, InForce: func() bool { return users("bob@example.org") != nil }},
		{Name: "stop a user", Change: func() error {
			_, err := a.users.Change(ctx, "ann@example.org", user.Change{Active: &active})
			return err
		}, InForce: func() bool { return !users("ann@example.org").Active }},
		{Name: "remove a user", Change: func() error { return a.users.Remove(ctx, "bob@example.org") }, InForce: func() bool { return users("bob@example.org") == nil }},
	})
	if _, _, err := a.users.Refresh(ctx, refresh); !errors.Is(err, user.ErrBadLogin) {
		t.Errorf("the session of who was stopped goes on: %v", err)
	}
}

// The same for sessions: one that ends late has ended, and one that is made late exists.
func TestLateSessions(t *testing.T) {
	t.Parallel()
	a, _, gate := openLate(t)
	ctx := context.Background()
	if _, err := a.users.Add(ctx, "ann@example.org", user.Change{Password: ptr("correct horse")}); err != nil {
		t.Fatal(err)
	}
	u, refresh, err := a.users.Login(ctx, "192.0.2.1", "ann@example.org", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	session := user.SessionOf(refresh)
	gate.RunLate(t, []logtest.Late{
		{Name: "sign out", Change: func() error { return a.users.Logout(ctx, refresh) }, InForce: func() bool { return a.users.Session(u.ID, session) == nil }},
	})
	if _, _, err := a.users.Refresh(ctx, refresh); !errors.Is(err, user.ErrBadLogin) {
		t.Error(err)
	}
}

func TestLateAccounts(t *testing.T) {
	t.Parallel()
	_, log, gate := openLate(t)
	ctx := context.Background()
	accounts, err := account.Open(log, passwords.Cheap())
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan string, 10)
	accounts.OnChange(func(a *account.Account) { changes <- a.Username })
	get := func() *account.Account { a, _ := accounts.Get("ann"); return a }
	gate.RunLate(t, []logtest.Late{
		{Name: "make", Change: func() error { _, err := accounts.Create(ctx, "ann", "", "secret"); return err }, InForce: func() bool { return get() != nil }},
		{Name: "stop", Change: func() error { return accounts.SetActive(ctx, "ann", false) }, InForce: func() bool { return !get().Active && len(changes) == 1 }},
		{Name: "destroy", Change: func() error { return accounts.Destroy(ctx, "ann") }, InForce: func() bool { return get() == nil && len(changes) == 2 }},
	})
}
