package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sluice/auth/peer"
	"sluice/channel"
)

// The shortest keys and secrets that are accepted (docs/protocol.md).
const (
	minAdminKey = 16 // characters
	minSecret   = 32 // bytes: RFC 7518 section 3.2 demands as many for HS256
)

// check finds the faults that the tags of a field cannot express.
func (c *Config) check(all []field, values map[string]string) Faults {
	fields := map[string]field{}
	for _, f := range all {
		fields[f.name] = f
	}
	var faults Faults
	add := func(name string, err error) {
		if err == nil {
			return
		}
		f := fields[name]
		value := values[name]
		if value == "" {
			value = f.fallback
		}
		faults = append(faults, Fault{name, f.show(value), err.Error()})
	}
	c.checkAddresses(add)
	c.checkBrowsers(add)
	c.checkFiles(add)
	c.checkTokens(add)
	c.checkApplication(add)
	c.checkSecrets(add)
	c.checkCluster(add)
	if c.MaxEvent > c.MaxBody && c.MaxBody > 0 {
		add("MAX_EVENT", fmt.Errorf("must not be more than MAX_BODY (%s)", c.MaxBody))
	}
	// MAX_MEMORY_PER_KEY may be above a MAX_CLIENT_MEMORY that is only low because the machine has little memory. That
	// must not stop the gateway; the lower of the two applies.
	lowered := values["MAX_CLIENT_MEMORY"] == "" && fields["MAX_CLIENT_MEMORY"].lowered != ""
	if c.MaxMemoryPerKey > c.MaxClientMemory && c.MaxClientMemory > 0 && !lowered {
		add("MAX_MEMORY_PER_KEY", fmt.Errorf("must not be more than MAX_CLIENT_MEMORY (%s)", c.MaxClientMemory))
	}
	if c.RetryEvent > 0 && c.RetryEvent < time.Millisecond {
		add("RETRY_EVENT", errors.New("must be 0, or 1ms or more: EventSource counts whole milliseconds"))
	}
	return faults
}

func (c *Config) checkAddresses(add func(string, error)) {
	add("ADDR", address(c.Addr))
	if c.MetricsAddr != "" {
		add("METRICS_ADDR", address(c.MetricsAddr))
		if c.MetricsAddr == c.Addr && !strings.HasSuffix(c.Addr, ":0") {
			add("METRICS_ADDR", errors.New("must be a different port from that of ADDR"))
		}
	}
}

func (c *Config) checkFiles(add func(string, error)) {
	for name, file := range map[string]string{
		"API_KEYS_FILE": c.APIKeysFile, "JWT_PUBLIC_KEY_FILE": c.JWTPublicKeyFile, "TLS_CERT_FILE": c.TLSCertFile, "TLS_KEY_FILE": c.TLSKeyFile,
	} {
		if file != "" {
			add(name, readable(file))
		}
	}
	if c.DataDir != "memory" {
		add("DATA_DIR", folder(c.DataDir))
	}
	switch {
	case c.TLSCertFile != "" && c.TLSKeyFile == "":
		add("TLS_KEY_FILE", errors.New("must be set too, because TLS_CERT_FILE is"))
	case c.TLSKeyFile != "" && c.TLSCertFile == "":
		add("TLS_CERT_FILE", errors.New("must be set too, because TLS_KEY_FILE is"))
	}
}

func (c *Config) checkTokens(add func(string, error)) {
	var sources []string
	for _, s := range []struct {
		name string
		set  bool
	}{{"JWT_SECRET", len(c.JWTSecret) > 0}, {"JWT_PUBLIC_KEY_FILE", c.JWTPublicKeyFile != ""}, {"JWT_JWKS_URL", c.JWTJWKSURL != ""}} {
		if s.set {
			sources = append(sources, s.name)
		}
	}
	if len(sources) > 1 {
		for _, name := range sources {
			add(name, errors.New("must be the only one that is set of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL"))
		}
	}
	if c.JWTJWKSURL != "" {
		add("JWT_JWKS_URL", jwksURL(c.JWTJWKSURL))
	}
	add("JWT_DEFAULT_SUB", patterns(c.JWTDefaultSub))
	add("JWT_DEFAULT_PUB", patterns(c.JWTDefaultPub))
}

func (c *Config) checkSecrets(add func(string, error)) {
	for _, s := range c.JWTSecret {
		if len(s) < minSecret {
			add("JWT_SECRET", fmt.Errorf("must be secrets of %d bytes or more each, comma-separated", minSecret))
			break
		}
	}
	for name, secret := range map[string]string{"TOKEN_SECRET": c.TokenSecret, "AUTH_SECRET": c.AuthSecret} {
		if secret != "" && len(secret) < minSecret {
			add(name, fmt.Errorf("must have %d bytes or more", minSecret))
		}
	}
	if c.AdminKey == "" {
		return
	}
	// A key that no header field can carry would lock the administrator out, and nothing would say why.
	if utf8.RuneCountInString(c.AdminKey) < minAdminKey || strings.ContainsFunc(c.AdminKey, unicode.IsControl) || strings.TrimSpace(c.AdminKey) != c.AdminKey {
		add("ADMIN_KEY", fmt.Errorf("must have %d characters or more, no control characters, and no white space at either end", minAdminKey))
	}
}

func address(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || !hostname(host) {
		return errors.New("must be host:port, such as 127.0.0.1:8080, [::1]:8080 or :8080")
	}
	return nil
}

func hostname(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == ""
}

func jwksURL(raw string) error {
	u, err := url.Parse(raw)
	if err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http" && peer.Loopback(u.Hostname())) {
		return nil
	}
	return errors.New("must be an https address (http only on loopback)")
}

// patterns checks JWT_DEFAULT_SUB and JWT_DEFAULT_PUB. {sub} needs no care: it stands for text inside one name, and is
// itself a valid name.
func patterns(list List) error {
	if len(list) > channel.MaxGrant {
		return fmt.Errorf("must be at most %d patterns", channel.MaxGrant)
	}
	for _, s := range list {
		if _, err := channel.Parse(s); err != nil {
			return fmt.Errorf("must be patterns, such as PUT:customer,chat-*,inbox-{sub}: %w", err)
		}
	}
	return nil
}

// readable returns an error for a file that cannot be read. It does not open pipes: that could wait for ever.
func readable(name string) error {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		err = errors.New("it is a folder")
	}
	if err == nil && info.Mode().IsRegular() {
		var f *os.File
		if f, err = os.Open(name); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("must name a file that can be read: %w", cause(err))
	}
	return nil
}

// folder returns an error for a name that is no folder and cannot become one.
func folder(name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.IsDir():
		err = errors.New("it is a file")
	}
	if err != nil {
		return fmt.Errorf("must be a folder, or 'memory': %w", cause(err))
	}
	return nil
}

// cause takes the path out of an error of the file system; the fault already shows it.
func cause(err error) error {
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return perr.Err
	}
	return err
}
