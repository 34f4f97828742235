package auth

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sluice/auth/grant"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

func openMemory(t *testing.T, o Options) *Authenticator {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Log = log
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		log.Close()
	})
	return a
}

// A broken file of keys does not prevent making and revoking keys of the store.
func TestStoredKeysBesideBrokenFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"name":"file","key":"0123456789abcdef","sub":["*"]}]`)
	a, ctx := openMemory(t, Options{APIKeysFile: file}), context.Background()
	info, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr([]string{"a"})})
	if err != nil {
		t.Fatal(err)
	}
	write(`[{"name":`)
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
	if bad != nil {
		t.Fatal(bad)
	}
	if info, err := a.UpdateKey(ctx, info.ID, KeyChange{Sub: ptr([]string{"b"})}); err != nil || info.Sub[0] != "b" || id.Ended() != Changed {
		t.Errorf("changed: %v, %v, %q", info, err, id.Ended())
	}
	if _, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("other")}); err != nil {
		t.Error(err)
	} else if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}}); bad != nil {
		t.Error(bad)
	}
	if err := a.DeleteKey(ctx, info.ID); err != nil {
		t.Error(err)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}}); bad == nil {
		t.Error("the revoked key is still in force")
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{"0123456789abcdef"}}); bad != nil {
		t.Error("the last good keys of the file do not stay:", bad)
	}
}

// One of the gateway's own tokens never counts as that of another issuer, even if the secrets are the same: it would outlive
// its key.
func TestOwnTokenIsNoOther(t *testing.T) {
	t.Parallel()
	a, ctx := openMemory(t, Options{TokenSecret: storeSecret, Secrets: []string{storeSecret}, DefaultSub: []string{"more"}}), context.Background()
	info, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr([]string{"a"}), Pub: ptr([]string{"a"})})
	if err != nil {
		t.Fatal(err)
	}
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
	if bad != nil {
		t.Fatal(bad)
	}
	token, _, err := a.Mint(id, grant.Lists{Sub: []string{"a"}, Pub: []string{"a"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.DeleteKey(ctx, info.ID); err != nil {
		t.Fatal(err)
	}
	if id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{token}}); bad == nil {
		t.Errorf("the token lives on without its key: sub %s, pub %s", id.Sub, id.Pub)
	}
	// A token of another issuer with the same name is still accepted.
	other, err := jwt.NewWithClaims(jwt.SigningMethodHS384, jwt.MapClaims{"iss": ownIssuer, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(storeSecret))
	if err != nil {
		t.Fatal(err)
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{other}}); bad != nil {
		t.Error(bad)
	}
}

// The number of patterns is checked before the patterns: a body of MAX_BODY can have a quarter of a million.
func TestMintBounds(t *testing.T) {
	t.Parallel()
	a, ctx := openMemory(t, Options{TokenSecret: storeSecret}), context.Background()
	has := make([]string, 1000)
	for i := range has {
		has[i] = strings.Repeat("x", i%100+1) + string(rune('a'+i/100)) + "*"
	}
	_, key, err := a.CreateKey(ctx, KeyChange{Name: ptr("app"), Sub: ptr(has)})
	if err != nil {
		t.Fatal(err)
	}
	id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}})
	if bad != nil {
		t.Fatal(bad)
	}
	many := make([]string, 200_000)
	for i := range many {
		many[i] = "xa*"
	}
	began := time.Now()
	if _, _, err := a.Mint(id, grant.Lists{Sub: many}, time.Hour); err == nil || time.Since(began) > time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	few := make([]string, 600)
	for i := range few {
		few[i] = "xa"
	}
	if token, _, err := a.Mint(id, grant.Lists{Sub: few, Rest: few}, time.Hour); err == nil {
		_, bad := a.Authenticate(context.Background(), Carriers{Header: []string{token}})
		t.Errorf("a token was made that is refused: %v", bad)
	}
}
