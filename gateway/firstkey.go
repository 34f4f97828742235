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
	Key  string // "" if a credential is configured
	File string // the file that contains the key; "" if DATA_DIR is memory
	Made bool   // at this start: serve prints it only this time
}

const firstKeyFile = "first-key"

// makeFirstKey reads the key for a first try, or makes it if there is none yet.
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
		cfg.JWTJWKSURL != "" || cfg.AuthURL != "" || cfg.AdminKey != ""
}

// withoutCredential reports whether other machines can reach a gateway that has no credential. It returns false if
// there is a log: the log may contain keys, which shows only once it is open.
func withoutCredential(cfg *config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.DataDir, logFolder))
	return err != nil && !configured(cfg) && !peer.LoopbackAddr(cfg.Addr)
}

// errClusterWithoutCredential refuses to start a gateway of a cluster that has no credentials: each would make another key.
var errClusterWithoutCredential = errors.New("CLUSTER_URL is set and no credential is configured: set API_KEYS (or API_KEYS_FILE, JWT_SECRET, JWT_PUBLIC_KEY_FILE, JWT_JWKS_URL, AUTH_URL, ADMIN_KEY), the same at all gateways")

// errOpenToAll refuses to start a gateway that has no credentials and listens beyond loopback.
var errOpenToAll = errors.New("ADDR reaches beyond this machine and no credential is configured: set API_KEYS (or API_KEYS_FILE, JWT_SECRET, JWT_PUBLIC_KEY_FILE, JWT_JWKS_URL, AUTH_URL, ADMIN_KEY), or ADDR=127.0.0.1:8080 for a first try")
