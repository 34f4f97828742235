package peer

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Proxies are the networks of proxies that are believed.
type Proxies []*net.IPNet

// Sent reports whether one of them sent a request.
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

// Prefix is the path that one of them took off the front of a request's, as an address spells it; "" where there is none.
func (p Proxies) Prefix(r *http.Request) string {
	prefix := strings.Trim(r.Header.Get("X-Forwarded-Prefix"), "/")
	if prefix == "" || !p.Sent(r) {
		return ""
	}
	return (&url.URL{Path: "/" + prefix}).EscapedPath()
}
