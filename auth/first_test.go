package auth

import (
	"context"
	"errors"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// The key of a first start is made where the store has no key, and is in force; where the store has one, nobody asks for it.
func TestFirstKey(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	made := 0
	open := func() *Authenticator {
		t.Helper()
		a, err := New(Options{Log: log, TokenSecret: storeSecret, FirstKey: func() (string, error) {
			made++
			return keyOne, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		return a
	}
	a := open()
	if id, bad := a.Authenticate(context.Background(), Carriers{Header: []string{keyOne}}); bad != nil || made != 1 || id.Name != "first-key" {
		t.Fatalf("%v %v, made %d times", id, bad, made)
	}
	if _, _, err := a.CreateKey(context.Background(), KeyChange{Name: ptr("app")}); err != nil {
		t.Fatal(err)
	}
	if _, bad := open().Authenticate(context.Background(), Carriers{Header: []string{keyOne}}); bad == nil || made != 1 {
		t.Errorf("with a key in the store: %v, made %d times", bad, made)
	}
}

// A first key that cannot be made keeps the gateway from starting.
func TestFirstKeyFails(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	fault := errors.New("no")
	if a, err := New(Options{Log: log, FirstKey: func() (string, error) { return "", fault }}); a != nil || !errors.Is(err, fault) {
		t.Errorf("%v %v", a, err)
	}
}

// Check finds the faults of keys and of what verifies tokens together.
func TestCheck(t *testing.T) {
	t.Parallel()
	err := Check(Options{APIKeys: "{", PublicKeyFile: t.TempDir() + "/none"})
	var all []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			var fault *SettingError
			if errors.As(e, &fault) {
				all = append(all, fault.Name)
			}
		}
	}
	if len(all) != 2 || all[0] != "API_KEYS" || all[1] != "JWT_PUBLIC_KEY_FILE" {
		t.Errorf("%v: %q", err, all)
	}
	if err := Check(Options{APIKeys: `[{"name":"web","key":"0123456789abcdef"}]`}); err != nil {
		t.Error(err)
	}
}
