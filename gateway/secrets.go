package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sluice/auth"
)

// earlierSecretFile is where an earlier version stored the secret of the gateway's own tokens. It is in the log now.
const earlierSecretFile = "token-secret"

// tokenSecret returns the secret of the gateway's own tokens: TOKEN_SECRET, or the one that all gateways of the log share.
func (g *Gateway) tokenSecret() (string, error) {
	if g.cfg.TokenSecret != "" {
		return g.cfg.TokenSecret, nil
	}
	secret, err := readSecret(g.cfg.DataDir, earlierSecretFile)
	if err != nil {
		return "", err
	}
	if secret == "" {
		secret = newSecret()
	}
	return auth.StoredSecret(context.Background(), g.Log, secret)
}

// newSecret makes a secret of more than 256 bits: 52 characters of base32.
func newSecret() string { return rand.Text() + rand.Text() }

// readSecret reads a secret from a file in DATA_DIR, or returns "" if there is none.
func readSecret(dataDir, file string) (string, error) {
	if dataDir == inMemory {
		return "", nil
	}
	name := filepath.Join(dataDir, file)
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// storedSecret reads a secret from a file in DATA_DIR, with mode 0600, or makes it. A secret from an earlier version
// may be shorter, and stays. If DATA_DIR is memory, each start has a new secret, and made is true.
func storedSecret(dataDir, file string) (secret string, made bool, err error) {
	if secret, err = readSecret(dataDir, file); secret != "" || err != nil {
		return secret, false, err
	}
	secret = newSecret()
	if dataDir == inMemory {
		return secret, true, nil
	}
	name := filepath.Join(dataDir, file)
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return "", false, fmt.Errorf("making DATA_DIR: %w", err)
	}
	if err := os.WriteFile(name, []byte(secret+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("storing a secret in %s: %w", name, err)
	}
	return secret, true, nil
}
