package peer

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Proxies has the networks of trusted proxies.
type Proxies []*net.IPNet

// Sent reports whether a trusted proxy sent a request.
func (p Proxies) Sent(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	if err != nil || ip == nil {
		return false
	}
	for _, n := range p {
		if n.Contains(ip) {
			return true
		}
	}
	return false
}

// Prefix returns the prefix that a trusted proxy removed from a request's path, escaped, or "".
func (p Proxies) Prefix(r *http.Request) string {
	prefix := strings.Trim(r.Header.Get("X-Forwarded-Prefix"), "/")
	if prefix == "" || !p.Sent(r) {
		return ""
	}
	return (&url.URL{Path: "/" + prefix}).EscapedPath()
}
