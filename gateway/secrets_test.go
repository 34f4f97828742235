package gateway

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/config"
)

// A made secret has 32 characters and 256 bits or more, as a configured one has; one that an earlier version made is kept.
func TestKeptSecret(t *testing.T) {
	t.Parallel()
	const bitsOfBase32 = 5
	dir := filepath.Join(t.TempDir(), "data")
	first, made, err := storedSecret(dir, firstKeyFile)
	if err != nil || !made || len(first) < 32 || len(first)*bitsOfBase32 < 256 {
		t.Errorf("%q, made %v, %v", first, made, err)
	}
	again, made, err := storedSecret(dir, firstKeyFile)
	if err != nil || made || again != first {
		t.Errorf("%q, made %v, %v, want %q", again, made, err, first)
	}
	other, _, err := storedSecret(inMemory, firstKeyFile)
	if err != nil || len(other) != len(first) || other == first || other[:26] == other[26:] {
		t.Errorf("%q, %v", other, err)
	}
	old := strings.Repeat("OLD7", 7)[:26]
	if err := os.WriteFile(filepath.Join(dir, firstKeyFile), []byte(old+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, made, err := storedSecret(dir, firstKeyFile); err != nil || made || kept != old {
		t.Errorf("%q, made %v, %v, want %q", kept, made, err, old)
	}
}

// TestTokenSecret: the secret of tokens is in the log, and stays over restarts. One that an earlier version stored in a file
// is taken over. TOKEN_SECRET is used before both.
func TestTokenSecret(t *testing.T) {
	t.Parallel()
	setting, old := strings.Repeat("s", 32), strings.Repeat("OLD7", 7)[:26]
	// start starts a gateway in a folder, and returns the secret.
	start := func(dir, setting string) string {
		t.Helper()
		g := &Gateway{cfg: &config.Config{DataDir: dir, TokenSecret: setting}, o: Options{Logger: slog.New(slog.DiscardHandler)}}
		defer g.Close()
		if err := g.openLog(); err != nil {
			t.Fatal(err)
		}
		secret, err := g.tokenSecret()
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	dir := t.TempDir()
	first := start(dir, "")
	if len(first) < 52 || start(dir, "") != first || start(dir, setting) != setting || start(dir, "") != first {
		t.Errorf("the secret %q does not stay, or TOKEN_SECRET is not used", first)
	}
	if _, err := os.Stat(filepath.Join(dir, earlierSecretFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is in a file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, earlierSecretFile), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if start(dir, "") != first {
		t.Error("a file replaces the secret of the log")
	}
	upgraded := t.TempDir()
	name := filepath.Join(upgraded, earlierSecretFile)
	if err := os.WriteFile(name, []byte(old+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := start(upgraded, ""); got != old {
		t.Errorf("the secret of an earlier version became %q", got)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if got := start(upgraded, ""); got != old {
		t.Errorf("without its file it became %q", got)
	}
}
