package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/config"
)

// FirstKey is a key that a gateway makes for a first try, when no credential is configured. There are two: an API key that
// may do everything, and the administrator's key.
type FirstKey struct {
	Key  string // "" if it is not in force
	File string // the file that contains the key; "" if DATA_DIR is memory
	Made bool   // at this start: serve prints it only this time
}

const (
	firstKeyFile      = "first-key"
	firstAdminKeyFile = "first-admin-key"
)

// makeFirstKey makes the API key for a first try.
func (g *Gateway) makeFirstKey() (string, error) {
	if !peer.LoopbackAddr(g.cfg.Addr) {
		return "", &SettingsError{errOpenToAll}
	}
	var err error
	g.FirstKey, err = g.firstKey(firstKeyFile)
	return g.FirstKey.Key, err
}

// firstKey reads a key of the first start, or makes it.
func (g *Gateway) firstKey(file string) (k FirstKey, err error) {
	if g.cfg.DataDir != inMemory {
		k.File = filepath.Join(g.cfg.DataDir, file)
	}
	k.Key, k.Made, err = storedSecret(g.cfg.DataDir, file)
	return k, err
}

// keepFirstKey puts the API key of an earlier first start in force again: keys that the administrator has made since do not
// end it. Where there is none, auth asks for one if the store has no key either.
func (g *Gateway) keepFirstKey(o *auth.Options) error {
	kept, err := readSecret(g.cfg.DataDir, firstKeyFile)
	if g.mayHaveFirstKeys() && err == nil && kept != "" {
		o.KeptKey, err = g.makeFirstKey()
		return err
	}
	o.EndedKey, o.EndedWhy = kept, g.endOfFirstKeys()
	if len(configured(g.cfg)) > 0 {
		return nil
	}
	o.FirstKey = g.makeFirstKey
	return err
}

// mayHaveFirstKeys reports whether the settings let the keys of a first start be in force.
func (g *Gateway) mayHaveFirstKeys() bool {
	return len(configured(g.cfg)) == 0 && peer.LoopbackAddr(g.cfg.Addr)
}

// openAdministrator makes the administrator: by ADMIN_KEY, or by the key of the first start. That one is in force where the
// API key of the first start is, and where it is already there: whoever has made keys with it must not be locked out.
func (g *Gateway) openAdministrator() error {
	key := g.cfg.AdminKey
	if g.mayHaveFirstKeys() {
		kept, err := readSecret(g.cfg.DataDir, firstAdminKeyFile)
		if err != nil {
			return err
		}
		if kept != "" || g.FirstKey.Key != "" {
			if g.FirstAdminKey, err = g.firstKey(firstAdminKeyFile); err != nil {
				return err
			}
			key = g.FirstAdminKey.Key
		}
	}
	g.administrator = auth.NewAdministrator(key)
	return nil
}

// endedFirstKeys returns the files of first keys that are not in force, neither as such nor by the settings.
func (g *Gateway) endedFirstKeys() (files []string) {
	for file, inForce := range map[string]func(secret string) bool{
		firstKeyFile:      g.Auth.HasKey,
		firstAdminKeyFile: func(secret string) bool { return secret == g.cfg.AdminKey || secret == g.FirstAdminKey.Key },
	} {
		if secret, err := readSecret(g.cfg.DataDir, file); err == nil && secret != "" && !inForce(secret) {
			files = append(files, filepath.Join(g.cfg.DataDir, file))
		}
	}
	slices.Sort(files)
	return files
}

// configured returns the settings that name a credential. The keys of the first start are in force only while there are none.
func configured(cfg *config.Config) (names []string) {
	for _, one := range []struct {
		name string
		set  bool
	}{
		{"API_KEYS", cfg.APIKeys != ""}, {"API_KEYS_FILE", cfg.APIKeysFile != ""}, {"JWT_SECRET", len(cfg.JWTSecret) > 0},
		{"JWT_PUBLIC_KEY_FILE", cfg.JWTPublicKeyFile != ""}, {"JWT_JWKS_URL", cfg.JWTJWKSURL != ""}, {"AUTH_URL", cfg.AuthURL != ""},
		{"ADMIN_KEY", cfg.AdminKey != ""},
	} {
		if one.set {
			names = append(names, one.name)
		}
	}
	return names
}

// withoutCredential reports whether other machines can reach a gateway that has no credential. It returns false if
// there is a log: the log may contain keys, which shows only once it is open.
func withoutCredential(cfg *config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.DataDir, logFolder))
	return err != nil && len(configured(cfg)) == 0 && !peer.LoopbackAddr(cfg.Addr)
}

// credentialSettings are the settings of configured after API_KEYS, for messages.
const credentialSettings = "API_KEYS_FILE, JWT_SECRET, JWT_PUBLIC_KEY_FILE, JWT_JWKS_URL, AUTH_URL, ADMIN_KEY"

// errClusterWithoutCredential refuses to start a gateway of a cluster that has no credentials: each would make another key.
var errClusterWithoutCredential = errors.New("CLUSTER_URL is set and no credential is configured: set API_KEYS (or " + credentialSettings + "), the same at all gateways")

// errOpenToAll refuses to start a gateway that has no credentials and listens beyond loopback.
var errOpenToAll = errors.New("ADDR reaches beyond this machine and no credential is configured: set API_KEYS (or " + credentialSettings + "), or ADDR=127.0.0.1:8080 for a first try")
