package peer

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

var errOrigin = errors.New("must be * or an origin as browsers send it, such as https://app.example.com (no path, no wildcard; a name that is not ASCII in its xn-- form)")

// defaultPorts has the ports that are never part of an origin (RFC 6454 section 6.2).
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}

// Origin returns an origin in the form that browsers send: in lower case, without the default port, and without a slash at
// the end. Origins are compared byte for byte, so another form would never match. It returns * unchanged, and an error for
// a text that no browser sends.
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

// originHost returns a host in the form that browsers send, with an IPv6 address in its shortest form. It refuses hosts
// that would never match. If the last part of a name is a number, browsers take the name for an IPv4 address and send
// four plain numbers: 127.1 becomes 127.0.0.1. They also write an IPv4 address inside an IPv6 address in another way.
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
