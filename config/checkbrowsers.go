package config

import (
	"errors"
	"slices"
	"strings"

	"sluice/auth/peer"
)

// checkBrowsers checks what pages may do, and with which cookie.
func (c *Config) checkBrowsers(add func(string, error)) {
	named := true
	for _, o := range c.CORSOrigins {
		if o != "*" && !origin(o) {
			add("CORS_ORIGINS", errors.New("must be * or origins as browsers send them, such as https://example.com,http://localhost:3000 (lower case; no path, default port or wildcard)"))
			named = false
			break
		}
	}
	switch {
	case c.CredentialCookie == "":
	case !token(c.CredentialCookie):
		add("CREDENTIAL_COOKIE", errors.New("must be the name of one cookie, such as __Host-session: letters, digits and any of !#$%&'*+-.^_`|~"))
	case named && slices.Contains(c.CORSOrigins, "*"):
		add("CORS_ORIGINS", errors.New("must list origins by name, such as https://app.example, and not be *, because CREDENTIAL_COOKIE is set: "+
			"with *, a page of any site could use the cookies of its visitors (if only pages of the gateway itself use them, list its own origin)"))
	}
	for _, h := range c.CORSHeaders {
		if !token(h) || strings.Contains(h, "*") {
			add("CORS_HEADERS", errors.New("must be names of headers, such as traceparent,baggage (no wildcard)"))
			break
		}
	}
}

// origin reports whether s is an origin in exactly the form that browsers send. Origins are compared byte
// for byte, so another form would never match.
func origin(s string) bool {
	sent, err := peer.Origin(s)
	return err == nil && sent == s
}

// token reports whether s is a token of RFC 9110, as names of headers and of cookies are.
func token(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") == ""
}
