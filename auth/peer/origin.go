package peer

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"unicode"
)

// errOrigin is what is wrong with an origin.
var errOrigin = errors.New("must be * or an origin as browsers send it, like https://app.example.com (no path, no wildcard; a name that is not ASCII in its xn-- form)")

// defaultPorts are never part of an origin (RFC 6454 section 6.2).
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}

// Origin returns an origin as browsers send it: in lower case, without the default port and without a slash at the end.
// Origins are compared byte for byte, so another spelling would never match. What no browser sends is an error, but for *.
func Origin(s string) (string, error) {
	if s == "*" {
		return s, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" ||
		u.RawQuery != "" || u.ForceQuery || strings.ContainsAny(s, "*%#") || strings.ContainsFunc(s, notInOrigin) {
		return "", errOrigin
	}
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != defaultPorts[u.Scheme] {
		host = net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return u.Scheme + "://" + host, nil
}

func notInOrigin(r rune) bool {
	return r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r)
}
