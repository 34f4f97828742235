package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"sluice/broker/channel"
)

// check is what no field can say of itself alone.
func (c *Config) check(values map[string]string) Faults {
	secret := map[string]bool{}
	for _, f := range fieldsOf(c) {
		secret[f.name] = f.secret
	}
	var faults Faults
	add := func(name string, err error) {
		if err == nil {
			return
		}
		value := values[name]
		if secret[name] {
			value = masked
		}
		faults = append(faults, Fault{name, value, err.Error()})
	}
	add("ADDR", address(c.Addr))
	if c.MetricsAddr != "" {
		add("METRICS_ADDR", address(c.MetricsAddr))
	}
	if c.MaxEvent > c.MaxBody && c.MaxBody > 0 {
		add("MAX_EVENT", fmt.Errorf("must not be over MAX_BODY (%s)", c.MaxBody))
	}
	c.checkFiles(add)
	c.checkTokens(add)
	add("CORS_ORIGINS", origins(c.CORSOrigins))
	if c.AdminKey != "" && len(c.AdminKey) < 16 {
		add("ADMIN_KEY", errors.New("must have 16 characters or more"))
	}
	if c.TokenSecret != "" && len(c.TokenSecret) < 32 {
		add("TOKEN_SECRET", errors.New("must have 32 bytes or more"))
	}
	return faults
}

func (c *Config) checkFiles(add func(string, error)) {
	for name, file := range map[string]string{
		"API_KEYS_FILE": c.APIKeysFile, "JWT_PUBLIC_KEY_FILE": c.JWTPublicKeyFile, "TLS_CERT_FILE": c.TLSCertFile, "TLS_KEY_FILE": c.TLSKeyFile,
	} {
		if file != "" {
			add(name, readable(file))
		}
	}
	switch {
	case c.TLSCertFile != "" && c.TLSKeyFile == "":
		add("TLS_KEY_FILE", errors.New("must be set, as TLS_CERT_FILE is"))
	case c.TLSKeyFile != "" && c.TLSCertFile == "":
		add("TLS_CERT_FILE", errors.New("must be set, as TLS_KEY_FILE is"))
	}
}

func (c *Config) checkTokens(add func(string, error)) {
	sources := 0
	for _, set := range []bool{len(c.JWTSecret) > 0, c.JWTPublicKeyFile != "", c.JWTJWKSURL != ""} {
		if set {
			sources++
		}
	}
	if sources > 1 {
		for name, set := range map[string]bool{"JWT_SECRET": len(c.JWTSecret) > 0, "JWT_PUBLIC_KEY_FILE": c.JWTPublicKeyFile != "", "JWT_JWKS_URL": c.JWTJWKSURL != ""} {
			if set {
				add(name, errors.New("must be the only one of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL"))
			}
		}
	}
	for _, s := range c.JWTSecret {
		if len(s) < 32 {
			add("JWT_SECRET", errors.New("must be secrets of 32 bytes or more each, comma-separated"))
			break
		}
	}
	if c.JWTJWKSURL != "" {
		add("JWT_JWKS_URL", jwksURL(c.JWTJWKSURL))
	}
	add("JWT_DEFAULT_SUB", patterns(c.JWTDefaultSub))
	add("JWT_DEFAULT_PUB", patterns(c.JWTDefaultPub))
}

func address(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be host:port, as 127.0.0.1:8080 or :8080")
	}
	return nil
}

func jwksURL(raw string) error {
	u, err := url.Parse(raw)
	if err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && local(u.Hostname())) {
		return nil
	}
	return errors.New("must be an https address (http only on loopback)")
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func origins(list List) error {
	for _, o := range list {
		if o == "*" {
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != o {
			return errors.New("must be * or origins, as https://example.com,http://localhost:3000 (scheme and host, no path)")
		}
	}
	return nil
}

// patterns checks defaults with a sample subject in place of {sub}.
func patterns(list List) error {
	if len(list) > channel.MaxGrant {
		return fmt.Errorf("must be at most %d patterns", channel.MaxGrant)
	}
	for _, s := range list {
		if _, err := channel.Parse(strings.ReplaceAll(s, "{sub}", "x")); err != nil {
			return fmt.Errorf("must be patterns, as PUT:customer,chat-*,inbox-{sub}: %w", err)
		}
	}
	return nil
}
