package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"sluice/auth/peer"
	"sluice/config"
)

// firstKey is the key that the program makes for a first try, when no credential is configured.
type firstKey struct {
	key  string // "" where a credential is configured
	file string // where it is kept; "" in memory
	made bool   // just now: it is printed this once
}

const firstKeyFile = "first-key"

// loadFirstKey reads the made key, or makes it.
func loadFirstKey(dataDir string) (k firstKey, err error) {
	if dataDir != inMemory {
		k.file = filepath.Join(dataDir, firstKeyFile)
	}
	k.key, k.made, err = keptSecret(dataDir, firstKeyFile)
	return k, err
}

// configured says whether the settings name any credential.
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

// greet tells what to do next: on a first start two lines to paste, later where the key is.
func (g *gateway) greet(w io.Writer) {
	scheme := "http"
	if g.certificates != nil {
		scheme = "https"
	}
	base := scheme + "://" + g.address()
	switch {
	case g.firstKey.made:
		fmt.Fprintf(w, "\nSluice is up. This first start made an API key that may do everything; it is shown this once.\n\n"+
			"Watch events in one terminal:\n\n  curl -N -H 'x-apikey: %[1]s' %[2]s/realtime\n\n"+
			"Publish one in another:\n\n  curl -H 'x-apikey: %[1]s' -H 'Content-Type: application/json' -d '{\"event\":\"hello\",\"data\":\"world\"}' %[2]s/realtime\n\n"+
			"Or watch them in a browser:\n\n  %[2]s/#apikey=%[1]s\n\n", g.firstKey.key, base)
		if g.firstKey.file != "" {
			fmt.Fprintf(w, "The key is kept in %s. It is valid as long as no API_KEYS, JWT_* or ADMIN_KEY is set.\n\n", g.firstKey.file)
		}
	case g.firstKey.key != "":
		fmt.Fprintf(w, "\nSluice is up at %s. The key of the first start is in %s:\n\n"+
			"  curl -N -H \"x-apikey: $(cat %s)\" %s/realtime\n\n", base, g.firstKey.file, shellQuote(g.firstKey.file), base)
	default:
		fmt.Fprintf(w, "\nSluice is up at %s\n\n", base)
	}
}

// address is ADDR as set, with the port that was given where it says 0.
func (g *gateway) address() string {
	host, port, err := net.SplitHostPort(g.cfg.Addr)
	if err != nil {
		return g.cfg.Addr
	}
	if actual, ok := g.listener.Addr().(*net.TCPAddr); ok && port == "0" {
		port = fmt.Sprint(actual.Port)
	}
	return net.JoinHostPort(host, port)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
