package gateway

import (
	"errors"
	"os"
	"path/filepath"

	"sluice/auth/peer"
	"sluice/config"
)

// FirstKey is the key that a gateway makes for a first try, when no credential is configured.
type FirstKey struct {
	Key  string // "" where a credential is configured
	File string // that holds it; "" in memory
	Made bool   // just now: it is printed this once
}

const firstKeyFile = "first-key"

// makeFirstKey reads the key of a first try, or makes it.
func (g *Gateway) makeFirstKey() (string, error) {
	if !peer.LoopbackAddr(g.cfg.Addr) {
		return "", &SettingsError{errOpenToAll}
	}
	k := FirstKey{}
	if g.cfg.DataDir != inMemory {
		k.File = filepath.Join(g.cfg.DataDir, firstKeyFile)
	}
	var err error
	if k.Key, k.Made, err = storedSecret(g.cfg.DataDir, firstKeyFile); err == nil {
		g.FirstKey = k
	}
	return k.Key, err
}

// configured reports whether the settings name any credential.
func configured(cfg *config.Config) bool {
	return cfg.APIKeys != "" || cfg.APIKeysFile != "" || len(cfg.JWTSecret) > 0 || cfg.JWTPublicKeyFile != "" ||
		cfg.JWTJWKSURL != "" || cfg.AdminKey != ""
}

// withoutCredential reports whether a gateway can be reached from other machines and has no credential. One with a log may
// have keys in it, which is seen once the log is open.
func withoutCredential(cfg *config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.DataDir, logFolder))
	return err != nil && !configured(cfg) && !peer.LoopbackAddr(cfg.Addr)
}

// errOpenToAll is why a gateway without credentials listens on loopback only.
var errOpenToAll = errors.New("ADDR reaches beyond this machine and no credential is configured: set API_KEYS (or API_KEYS_FILE, JWT_SECRET, JWT_PUBLIC_KEY_FILE, JWT_JWKS_URL, ADMIN_KEY), or ADDR=127.0.0.1:8080 for a first try")
