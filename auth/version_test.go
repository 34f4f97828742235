package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"sluice/auth/user"
	"sluice/auth/version"
	"sluice/store/eventlog"
)

func only(v string) version.Match { return func(now string) bool { return now == v } }

// Of many changes that are meant for one version, exactly one succeeds, and the others get the current state.
func TestVersionsUnderRaces(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, _, done := openStore(t, t.TempDir(), 0)
	defer done()
	info, _, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr([]string{"a", "b"})})
	if err != nil {
		t.Fatal(err)
	}
	ann, err := a.Users().Add(ctx, "ann@example.org", user.Change{Password: ptr("correct horse")})
	if err != nil {
		t.Fatal(err)
	}
	race := func(what string, f func(n int) error) {
		t.Helper()
		results := make(chan error, 16)
		var group sync.WaitGroup
		for n := range cap(results) {
			group.Go(func() { results <- f(n) })
		}
		group.Wait()
		close(results)
		won := 0
		for err := range results {
			var key *version.ChangedError[KeyInfo]
			var one *version.ChangedError[*user.User]
			switch {
			case err == nil:
				won++
			case (!errors.As(err, &key) || key.Now.ID == "") && (!errors.As(err, &one) || one.Now == nil):
				t.Errorf("%s: %v", what, err)
			}
		}
		if won != 1 {
			t.Errorf("%s: %d were done", what, won)
		}
	}
	race("change a key", func(n int) error {
		_, err := a.UpdateKey(ctx, info.ID, KeyChange{Rate: ptr(float64(n + 1)), Match: only(info.Version)})
		return err
	})
	race("change a user", func(n int) error {
		_, err := a.Users().Change(ctx, "ann@example.org", user.Change{Sub: ptr([]string{string(rune('a' + n))}), Match: only(ann.Revision())})
		return err
	})
	if err := a.DeleteKeyIf(ctx, info.ID, only(info.Version)); err == nil {
		t.Error("a key of another version was removed")
	}
	if err := a.Users().RemoveIf(ctx, "ann@example.org", only(ann.Revision())); err == nil {
		t.Error("a user of another version was removed")
	}
	now, err := a.Key(context.Background(), info.ID)
	if err != nil || now.Version == info.Version || now.Rate == 0 {
		t.Fatalf("%+v %v", now, err)
	}
	if err := a.DeleteKeyIf(ctx, info.ID, only(now.Version)); err != nil {
		t.Error(err)
	}
}

// A change fails if its row is no longer the one that the version was read from, whoever wrote it.
func TestVersionsInTheCommit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, _, done := openStore(t, t.TempDir(), 0)
	defer done()
	info, _, err := a.CreateKey(ctx, KeyChange{Name: ptr("app")})
	if err != nil {
		t.Fatal(err)
	}
	k, was, err := a.changeable(info.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.UpdateKey(ctx, info.ID, KeyChange{Name: ptr("other")}); err != nil {
		t.Fatal(err)
	}
	r := &eventlog.Request{}
	if _, err := a.prepareKey(r, info.ID, &k, was.Value); err != nil {
		t.Fatal(err)
	}
	if err := a.commitKey(ctx, r); !errors.Is(err, eventlog.ErrRow) {
		t.Error(err)
	}
	if _, now, err := a.changeable(info.ID); err != nil || string(now.Value) == string(was.Value) {
		t.Error("it was written over")
	}
}

// Versions survive a restart. A key that was stored before there were versions has one too.
func TestVersionsStay(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	a, log, done := openStore(t, dir, 0)
	info, _, err := a.CreateKey(ctx, KeyChange{Name: ptr("app")})
	if err != nil {
		t.Fatal(err)
	}
	if info, err = a.UpdateKey(ctx, info.ID, KeyChange{Sub: ptr([]string{"a"})}); err != nil {
		t.Fatal(err)
	}
	// A change to the same values does not end the key, but is a new version.
	again, err := a.UpdateKey(ctx, info.ID, KeyChange{Sub: ptr([]string{"a"})})
	if err != nil || again.Version == info.Version {
		t.Fatalf("%+v %v", again, err)
	}
	sum := sha256.Sum256([]byte("x"))
	row := eventlog.Row{Key: rowKey + "old", Value: []byte(`{"name":"old","sha256":"` + hex.EncodeToString(sum[:]) + `","sub":[],"pub":[],"origins":null,"rate":0,"frames":"","expires":null,"created":"2026-01-01T00:00:00Z"}`)}
	if _, err := log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{row}}); err != nil {
		t.Fatal(err)
	}
	done()
	a, _, done = openStore(t, dir, 0)
	defer done()
	if now, err := a.Key(context.Background(), info.ID); err != nil || now.Version != again.Version {
		t.Errorf("%+v %v, want %s", now, err, again.Version)
	}
	old, err := a.Key(context.Background(), "old")
	if err != nil || old.Version == "" {
		t.Fatalf("%+v %v", old, err)
	}
	if next, err := a.UpdateKey(ctx, "old", KeyChange{Rate: ptr(3.0), Match: only(old.Version)}); err != nil || next.Version == old.Version {
		t.Errorf("%+v %v", next, err)
	}
	if _, err := a.UpdateKey(ctx, "old", KeyChange{Rate: ptr(4.0), Match: only(old.Version)}); err == nil {
		t.Error("it was changed on an old version")
	}
}

// A request that makes a key makes only one, whenever it is repeated.
func TestCreateKeyOnce(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	a, _, done := openStore(t, dir, 0)
	once, app := Once{Key: "form-1", Body: sha256.Sum256([]byte("a"))}, KeyChange{Name: ptr("app")}
	type answer struct {
		id, key string
		again   bool
	}
	answers := make(chan answer, 8)
	var group sync.WaitGroup
	for range cap(answers) {
		group.Go(func() {
			info, key, again, err := a.CreateKeyOnce(ctx, once, app)
			if err != nil {
				t.Error(err)
			}
			answers <- answer{info.ID, key, again}
		})
	}
	group.Wait()
	close(answers)
	firsts, first := 0, answer{}
	for got := range answers {
		if !got.again {
			firsts++
		}
		if got.again = false; first.id == "" {
			first = got
		}
		if got != first || got.key == "" {
			t.Errorf("%+v and %+v", got, first)
		}
	}
	if firsts != 1 || a.StoredKeys() != 1 {
		t.Errorf("%d were the first, and %d keys are there", firsts, a.StoredKeys())
	}
	if _, _, _, err := a.CreateKeyOnce(ctx, Once{once.Key, sha256.Sum256([]byte("b"))}, app); !errors.Is(err, ErrOtherBody) {
		t.Error(err)
	}
	done()

	// The answer is forgotten, but not the key.
	a, _, done = openStore(t, dir, 0)
	var made *MadeError
	if _, key, _, err := a.CreateKeyOnce(ctx, once, app); !errors.As(err, &made) || made.Key.ID != first.id || key != "" || a.StoredKeys() != 1 {
		t.Errorf("%q %v", key, err)
	}
	if err := a.DeleteKey(ctx, first.id); err != nil {
		t.Fatal(err)
	}
	second, key, again, err := a.CreateKeyOnce(ctx, once, app)
	if err != nil || again || second.ID == first.id || key == first.key {
		t.Errorf("%+v %v %v", second, again, err)
	}
	done()
	a, _, done = openStore(t, dir, 0)
	defer done()
	if _, _, again, err := a.CreateKeyOnce(ctx, Once{Key: "form-2"}, app); err != nil || again {
		t.Error(again, err)
	}
	later := a.now().Add(createdKeyLife)
	a.now = func() time.Time { return later }
	if _, _, _, err := a.CreateKeyOnce(ctx, Once{Key: "form-2"}, app); !errors.As(err, &made) || len(a.keys.store.made) != 0 {
		t.Errorf("%v, and %d keys are remembered", err, len(a.keys.store.made))
	}
}
