package peer

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
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
	host, ok := originHost(strings.ToLower(u.Hostname()))
	if !ok {
		return "", errOrigin
	}
	if text := u.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return "", errOrigin
		}
		if text = strconv.FormatUint(port, 10); text != defaultPorts[u.Scheme] {
			host += ":" + text
		}
	}
	return u.Scheme + "://" + host, nil
}

// originHost returns a host as browsers write it: IPv6 in its shortest form. Where the last part of a name begins with a
// digit, browsers take it for an address of IPv4 and write that with four plain numbers, so 127.1 would never match. Nor
// would an address of IPv4 within one of IPv6, which they write in a third way.
func originHost(host string) (string, bool) {
	ip, err := netip.ParseAddr(host)
	switch last := host[strings.LastIndexByte(host, '.')+1:]; {
	case err == nil && ip.Is4():
		return host, true
	case err == nil:
		return "[" + ip.String() + "]", !ip.Is4In6() && ip.Zone() == ""
	default:
		return host, !strings.Contains(host, ":") && !numeric(last)
	}
}

// numeric reports whether browsers read a part of a name as a number (WHATWG URL, "ends in a number checker").
func numeric(part string) bool {
	_, err := strconv.ParseUint(part, 0, 64)
	return err == nil || part != "" && strings.Trim(part, "0123456789") == ""
}

func notInOrigin(r rune) bool {
	return r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r)
}
