package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sluice/auth/passwords"
	"sluice/auth/user"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// TestStoredSecret: of many gateways that start at once, all have the secret of the first one, so they accept each other's
// tokens.
func TestStoredSecret(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	secrets := make(chan string, 16)
	for n := range cap(secrets) {
		go func() {
			secret, err := StoredSecret(ctx, log, strings.Repeat(string(rune('a'+n)), 40))
			if err != nil {
				t.Error(err)
			}
			secrets <- secret
		}()
	}
	first := <-secrets
	for range cap(secrets) - 1 {
		if other := <-secrets; other != first || len(other) != 40 {
			t.Fatalf("there are two secrets: %q and %q", first, other)
		}
	}
	sessions := [2]*Session{}
	all := [2]*Authenticator{}
	for i := range all {
		secret, err := StoredSecret(ctx, log, "another secret of 32 bytes or more")
		if err != nil || secret != first {
			t.Fatalf("%q, %v", secret, err)
		}
		if all[i], err = New(Options{Log: log, TokenSecret: secret, Passwords: passwords.Cheap()}); err != nil {
			t.Fatal(err)
		}
		defer all[i].Close()
	}
	if _, err := all[0].Users().Add(ctx, "ann@example.org", user.Change{Password: ptr("correct horse")}); err != nil {
		t.Fatal(err)
	}
	for i, a := range all {
		if sessions[i], err = a.Login(ctx, "", "ann@example.org", "correct horse"); err != nil {
			t.Fatal(err)
		}
	}
	for i, a := range all {
		if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{sessions[1-i].Access}}); bad != nil {
			t.Error(bad)
		}
	}
}

// TestSecretIsNotStored: a secret whose outcome is unknown is not used, as another gateway may store one first.
func TestSecretIsNotStored(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{WaitLimit: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	open := gate.Shut()
	secret, err := StoredSecret(ctx, log, "one secret")
	open()
	if !errors.Is(err, eventlog.ErrUnknown) || secret != "" {
		t.Errorf("%q, %v", secret, err)
	}
	if secret, err := StoredSecret(ctx, log, "another secret"); err != nil || secret != "one secret" {
		t.Errorf("%q, %v", secret, err)
	}
}
