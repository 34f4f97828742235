package peer

import (
	"cmp"
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

// Origin returns the origin of the gateway's own pages, as the sender of a request knows it, or "" if that is no origin.
// Scheme and host are those that a trusted proxy has received.
func (p Proxies) Origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if p.Sent(r) {
		scheme = cmp.Or(first(r.Header.Get("X-Forwarded-Proto")), scheme)
		host = cmp.Or(first(r.Header.Get("X-Forwarded-Host")), host)
	}
	if page, ok := pageSchemes[strings.ToLower(scheme)]; ok { // some proxies send that of the socket
		scheme = page
	}
	own, err := Origin(scheme + "://" + host)
	if err != nil {
		return ""
	}
	return own
}

// pageSchemes has the scheme of the pages whose sockets have another one.
var pageSchemes = map[string]string{"ws": "http", "wss": "https"}

// first returns the first element of a list: what the proxy next to the client has received.
func first(list string) string {
	one, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(one)
}
