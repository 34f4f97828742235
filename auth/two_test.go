package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/auth/grant"
	"sluice/auth/passwords"
	"sluice/auth/user"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// twins are two gateways on one log.
type twins struct {
	*testing.T
	log  *eventlog.Log
	a, b *Authenticator
}

// openTwins opens both with the same settings. Each has a file of keys of its own in a folder.
func openTwins(t *testing.T, keys string) (both *twins, files [2]string) {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := [2]*Authenticator{}
	for i := range all {
		o := Options{Log: log, TokenSecret: storeSecret, Passwords: passwords.Cheap()}
		if keys != "" {
			o.APIKeysFile = filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(o.APIKeysFile, []byte(keys), 0o600); err != nil {
				t.Fatal(err)
			}
			files[i] = o.APIKeysFile
		}
		if all[i], err = New(o); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := errors.Join(all[0].Close(), all[1].Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return &twins{t, log, all[0], all[1]}, files
}

// settle waits until what is stored is in force in both.
func (w *twins) settle() {
	for _, a := range []*Authenticator{w.a, w.b} {
		a.keys.store.effects.Wait()
		a.keys.minters.effects.Wait()
		a.revoked.effects.Wait()
	}
}

// open is what a client has opened.
type opened struct {
	id    *Identity
	ended chan grant.End
}

func (w *twins) open(a *Authenticator, credential string) *opened {
	w.Helper()
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{credential}})
	if bad != nil {
		w.Fatal(bad)
	}
	o := &opened{id, make(chan grant.End, 10)}
	w.Cleanup(id.OnEnd(func(why grant.End) { o.ended <- why }))
	return o
}

// gone checks that what a client had opened with a credential has ended, and that the gateway refuses the credential.
func (w *twins) gone(what string, o *opened, why grant.End, a *Authenticator, credential string) {
	w.Helper()
	w.settle()
	if o.id.Ended() != why {
		w.Fatalf("%s: ended with %q, want %q", what, o.id.Ended(), why)
	}
	if got := <-o.ended; got != why {
		w.Errorf("%s: the stream ended with %q, want %q", what, got, why)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{credential}}); (bad == nil) != (credential == "") {
		w.Errorf("%s: the credential is still good", what)
	}
}

// TestTwoGateways: what one gateway makes the other accepts. What it changes or removes ends in the other.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, _ := openTwins(t, "")
	info, key, err := w.a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr([]string{"a", "b"})})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	token, _, err := w.a.Mint(w.open(w.a, key).id, grant.Lists{Sub: []string{"a"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	direct, minted := w.open(w.b, key), w.open(w.b, token)
	if _, err := w.a.UpdateKey(ctx, info.ID, KeyChange{Sub: ptr([]string{"a"})}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if direct.id.Ended() != Changed || minted.id.Ended() != Changed {
		t.Errorf("a change of the key: %q and %q", direct.id.Ended(), minted.id.Ended())
	}
	if now, err := w.b.Key(context.Background(), info.ID); err != nil || len(now.Sub) != 1 {
		t.Errorf("%+v, %v", now, err)
	}
	direct, minted = w.open(w.b, key), w.open(w.b, token)
	if err := w.a.DeleteKey(ctx, info.ID); err != nil {
		t.Fatal(err)
	}
	w.gone("the key was removed", direct, Revoked, w.b, key)
	w.gone("the key of the token was removed", minted, Revoked, w.b, token)
	if err := w.b.DeleteKey(ctx, info.ID); !errors.Is(err, ErrNoKey) {
		t.Errorf("removed twice: %v", err)
	}

	if _, err := w.a.Users().Add(ctx, "ann@example.org", user.Change{Password: ptr("correct horse")}); err != nil {
		t.Fatal(err)
	}
	session, err := w.a.Login(ctx, "", "ann@example.org", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	signedIn := w.open(w.b, session.Access)
	if session, err = w.b.Refresh(ctx, "", session.Refresh); err != nil {
		t.Fatal(err)
	}
	if _, err := w.a.Users().Change(ctx, "ann@example.org", user.Change{Password: ptr("another one")}); err != nil {
		t.Fatal(err)
	}
	<-signedIn.ended
	if _, bad := w.b.Authenticate(context.Background(), Carriers{Header: []string{session.Access}}); bad == nil || signedIn.id.Ended() != Changed {
		t.Errorf("a new password: ended with %q, %v", signedIn.id.Ended(), bad)
	}
}

// TestTwoGatewaysRevoke: a revocation is in force in both, and one by a clock that is behind takes nothing back.
func TestTwoGatewaysRevoke(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, _ := openTwins(t, "")
	of := func(a *Authenticator) *Identity {
		return &Identity{bearers: []*bearer{{in: a.revoked, jti: "1", subject: "ann", issued: time.Now().Unix()}}}
	}
	one, ended := of(w.b), make(chan grant.End, 1)
	defer one.OnEnd(func(why grant.End) { ended <- why })()
	for _, v := range []Revocation{{JTI: "2"}, {Subject: "bob"}, {JTI: "1"}} {
		if one.Ended() != "" {
			t.Fatal("another revocation ends it")
		}
		if err := w.a.Revoke(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	if why := <-ended; why != Revoked || one.Ended() != Revoked || of(w.a).Ended() != Revoked {
		t.Errorf("ended with %q, %q and %q", why, one.Ended(), of(w.a).Ended())
	}
	w.a.now = func() time.Time { return time.Now().Add(-time.Hour) }
	for _, a := range []*Authenticator{w.b, w.a} {
		if err := a.Revoke(ctx, Revocation{Subject: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	two := &Identity{bearers: []*bearer{{in: w.b.revoked, jti: "3", subject: "ann", issued: time.Now().Add(-time.Minute).Unix()}}}
	if two.Ended() != Revoked {
		t.Error("a revocation was taken back")
	}
	row := eventlog.Row{Key: rowSubject + "carl", Value: []byte(`{"of":"a newer version"}`)}
	if _, err := w.log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{row}}); err != nil {
		t.Fatal(err)
	}
	if three := (&Identity{bearers: []*bearer{{in: w.b.revoked, subject: "carl", issued: time.Now().Unix()}}}); three.Ended() != Revoked {
		t.Error("a revocation of a newer version is ignored")
	}
}

// TestTwoGatewaysRace: a request that makes a key makes one, wherever it is repeated. Of many changes of a key in both
// gateways none is lost.
func TestTwoGatewaysRace(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, _ := openTwins(t, "")
	var first KeyInfo
	for n := range 50 {
		once := Once{Key: fmt.Sprint("form ", n), Body: sha256.Sum256(nil)}
		results := make(chan error, 2)
		for _, a := range []*Authenticator{w.a, w.b} {
			go func() {
				info, key, _, err := a.CreateKeyOnce(ctx, once, KeyChange{Name: ptr("app")})
				if err == nil && (key == "" || info.ID == "") {
					err = errors.New("there is no secret")
				}
				results <- err
			}()
		}
		made := 0
		for range 2 {
			var before *MadeError
			if err := <-results; err == nil {
				made++
			} else if !errors.As(err, &before) {
				t.Error(err)
			} else {
				first = before.Key
			}
		}
		if made != 1 || w.a.StoredKeys() != n+1 || w.b.StoredKeys() != n+1 {
			t.Fatalf("%d were made, %d keys are stored", made, w.b.StoredKeys())
		}
	}
	var group sync.WaitGroup
	for n, a := range []*Authenticator{w.a, w.b} {
		group.Go(func() {
			for i := range 100 {
				c := KeyChange{Name: ptr(fmt.Sprint("name ", i))}
				if n == 1 {
					c = KeyChange{Rate: ptr(float64(i + 1))}
				}
				if _, err := a.UpdateKey(ctx, first.ID, c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	w.settle()
	for _, a := range []*Authenticator{w.a, w.b} {
		if now, err := a.Key(context.Background(), first.ID); err != nil || now.Name != "name 99" || now.Rate != 100 {
			t.Errorf("%+v, %v", now, err)
		}
	}
	for _, k := range w.b.Keys() {
		if err := w.a.DeleteKey(ctx, k.ID); err != nil {
			t.Error(err)
		}
	}
	if err := w.log.Rows("", func(r eventlog.Row) error { return fmt.Errorf("%s is left", r.Key) }); err != nil {
		t.Error(err)
	}
}

// TestTwoGatewaysRemoveKey: if one gateway's settings lose a key and get it back, the tokens that the key minted before are
// void in the other too, which has not noticed.
func TestTwoGatewaysRemoveKey(t *testing.T) {
	t.Parallel()
	w, files := openTwins(t, minterKeys)
	use := func(a *Authenticator, file, keys string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	mint := func(a *Authenticator) string {
		t.Helper()
		token, _, err := a.Mint(w.open(a, keyOne).id, grant.Lists{Sub: []string{"a"}}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	onlyTwo := minterKeys[:1] + minterKeys[strings.Index(minterKeys, `,{"name":"two"`)+1:]
	token := mint(w.b)
	there, other := w.open(w.b, token), w.open(w.b, keyTwo)
	use(w.a, files[0], onlyTwo)
	w.gone("the key was removed", there, Changed, w.b, token)
	use(w.a, files[0], minterKeys)
	for _, a := range []*Authenticator{w.a, w.b} {
		if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{token}}); codeOf(bad) != "revoked_token" {
			t.Errorf("the key is back: %v", bad)
		}
	}

	// The other gateway removes the key later. What it has minted until then is void as well.
	use(w.a, files[0], onlyTwo)
	w.settle()
	late := mint(w.b)
	w.open(w.b, late)
	use(w.b, files[1], onlyTwo)
	use(w.a, files[0], minterKeys)
	use(w.b, files[1], minterKeys)
	for _, a := range []*Authenticator{w.a, w.b} {
		if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{late}}); codeOf(bad) != "revoked_token" {
			t.Errorf("the key is back in both: %v", bad)
		}
	}
	fresh := mint(w.a)
	w.open(w.b, fresh)
	if other.id.Ended() != "" {
		t.Errorf("a key that nobody removed has ended: %q", other.id.Ended())
	}
}

// TestKeyOfNewerVersion: a change keeps the fields of a newer version. A key that this version cannot read is not in force,
// and does not keep others from being changed.
func TestKeyOfNewerVersion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w, _ := openTwins(t, "")
	info, key, err := w.a.CreateKey(ctx, KeyChange{Name: ptr("app")})
	if err != nil {
		t.Fatal(err)
	}
	_, row, err := w.a.changeable(info.ID)
	if err != nil {
		t.Fatal(err)
	}
	write := func(r eventlog.Row) {
		t.Helper()
		if _, err := w.log.Append(ctx, &eventlog.Request{Rows: []eventlog.Row{r}}); err != nil {
			t.Fatal(err)
		}
	}
	write(eventlog.Row{Key: row.Key, Value: []byte(strings.Replace(string(row.Value), "{", `{"later":[1],`, 1))})
	if _, err := w.b.UpdateKey(ctx, info.ID, KeyChange{Name: ptr("renamed")}); err != nil {
		t.Fatal(err)
	}
	if _, row, err = w.b.changeable(info.ID); err != nil || !strings.Contains(string(row.Value), `"later":[1]`) {
		t.Errorf("%s, %v", row.Value, err)
	}
	w.settle()
	there := w.open(w.b, key)
	write(eventlog.Row{Key: row.Key, Value: []byte(strings.Replace(string(row.Value), `"frames":""`, `"frames":"later"`, 1))})
	w.gone("it cannot be read", there, Revoked, w.b, key)
	if _, key, err := w.b.CreateKey(ctx, KeyChange{Name: ptr("other")}); err != nil {
		t.Error(err)
	} else if _, bad := w.b.Authenticate(context.Background(), Carriers{Header: []string{key}}); bad != nil {
		t.Error(bad)
	}
}

// TestMadeLate: a client that gives up before its key is stored gets the key when it repeats the request.
func TestMadeLate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, _, gate := openLate(t)
	once := Once{Key: "form", Body: sha256.Sum256(nil)}
	open := gate.Shut()
	_, _, _, err := a.CreateKeyOnce(ctx, once, KeyChange{Name: ptr("app")})
	open()
	if !errors.Is(err, eventlog.ErrUnknown) {
		t.Fatal(err)
	}
	info, key, again, err := a.CreateKeyOnce(ctx, once, KeyChange{Name: ptr("app")})
	if err != nil || !again || a.StoredKeys() != 1 {
		t.Fatalf("%+v, again %v, %v, %d keys", info, again, err, a.StoredKeys())
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}}); bad != nil {
		t.Error(bad)
	}
}
