package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tokenSecretFile contains the secret of the gateway's own tokens.
const tokenSecretFile = "token-secret"

// newSecret makes a secret of more than 256 bits: 52 characters of base32.
func newSecret() string { return rand.Text() + rand.Text() }

// storedSecret reads a secret from a file in DATA_DIR, with mode 0600, or makes it. A secret from an earlier version
// may be shorter, and stays. If DATA_DIR is memory, each start has a new secret, and made is true.
func storedSecret(dataDir, file string) (secret string, made bool, err error) {
	if dataDir == inMemory {
		return newSecret(), true, nil
	}
	name := filepath.Join(dataDir, file)
	b, err := os.ReadFile(name)
	switch {
	case err == nil && strings.TrimSpace(string(b)) != "":
		return strings.TrimSpace(string(b)), false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("reading %s: %w", name, err)
	}
	secret = newSecret()
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return "", false, fmt.Errorf("making DATA_DIR: %w", err)
	}
	if err := os.WriteFile(name, []byte(secret+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("storing a secret in %s: %w", name, err)
	}
	return secret, true, nil
}
