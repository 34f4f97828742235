package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sluice/auth/grant"
)

// When JWT_PUBLIC_KEY_FILE changes, identities that depend on a removed key end. A broken file changes nothing.
func TestPublicKeyFileReload(t *testing.T) {
	t.Parallel()
	k := newSigningKeys(t, false)
	file := filepath.Join(t.TempDir(), "keys.pem")
	write := func(keys ...*ecdsa.PrivateKey) {
		t.Helper()
		text := []byte{}
		for _, key := range keys {
			der, err := x509.MarshalPKIXPublicKey(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(k.one, k.two)
	a := newAuth(t, Options{PublicKeyFile: file})
	one, two := a.bearer(t, k.tokenOne), a.bearer(t, k.tokenTwo)
	write()
	if err := a.Reload(); err == nil || one.Ended() != "" || a.bearer(t, k.tokenOne) != one {
		t.Errorf("a broken file: %v, %q", err, one.Ended())
	}
	write(k.two)
	if err := a.Reload(); err != nil || one.Ended() != Revoked || two.Ended() != "" {
		t.Errorf("%v, %q, %q", err, one.Ended(), two.Ended())
	}
	if _, bad := a.Authenticate(context.Background(), Carriers{Bearer: []string{k.tokenOne}}); codeOf(bad) != "invalid_token" {
		t.Error(bad)
	}
	ended := make(chan grant.End, 1)
	defer two.OnEnd(func(reason grant.End) { ended <- reason })()
	write(k.one, k.one) // no Reload: the change is noticed
	select {
	case reason := <-ended:
		if reason != Revoked {
			t.Error(reason)
		}
	case <-time.After(10 * time.Second):
		t.Error("the change was not noticed")
	}
}

// A file of keys is read again even if the new one has the same size and time.
func TestKeysFileOfSameSizeAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		name, pinned := filepath.Join(t.TempDir(), "keys.json"), time.Unix(1_700_000_000, 0)
		write := func(key string) {
			if err := os.WriteFile(name, fmt.Appendf(nil, `[{"name":"one","key":%q}]`, key), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, pinned, pinned); err != nil {
				t.Fatal(err)
			}
		}
		write("key-one-0123456789abc")
		a, err := New(Options{APIKeysFile: name})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		write("key-two-0123456789abc")
		time.Sleep(time.Second)
		for key, want := range map[string]string{"key-one-0123456789abc": "invalid_key", "key-two-0123456789abc": ""} {
			if _, bad := a.Authenticate(context.Background(), Carriers{Header: []string{key}}); codeOf(bad) != want {
				t.Errorf("%s: %q, want %q", key, codeOf(bad), want)
			}
		}
	})
}
