package peer

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Loopback reports whether host is this machine's loopback: the name localhost, or an address of 127.0.0.0/8 or ::1.
// Names below localhost do not count, because resolvers ask the network for them.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback()
}

// LoopbackAddr reports whether the host of a host:port is loopback.
func LoopbackAddr(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && Loopback(host)
}

// LoopbackHost reports whether a request's Host is loopback, with or without a port. It stops DNS rebinding: a page whose
// name resolves to loopback cannot forge the Host, because its browser sends the name of the page.
func LoopbackHost(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil { // it has no port
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return Loopback(host)
}

// LoopbackOrigin reports whether a request has no Origin or a loopback Origin. A page of another site can reach loopback
// by its address. Then its browser sends a loopback Host, but the page's own Origin.
func LoopbackOrigin(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !Loopback(u.Hostname()) {
			return false
		}
	}
	return true
}

// Direct reports whether a request came from this machine and not through a proxy. Behind a proxy on the same machine,
// every peer is loopback. So use this wherever loopback alone gives rights.
func Direct(r *http.Request) bool {
	return LoopbackAddr(r.RemoteAddr) && LoopbackHost(r) && !Forwarded(r)
}

// Forwarded reports whether a request shows any trace of a proxy. One trace is HTTP/1.0, which nginx uses by default and
// clients no longer do. Others are headers that only proxies send.
func Forwarded(r *http.Request) bool {
	if !r.ProtoAtLeast(1, 1) {
		return true
	}
	for name := range r.Header {
		if addedByProxy(strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// proxyPrefixes has the prefixes, besides X-, of the headers that content delivery networks and hosting services add.
var proxyPrefixes = []string{"cf-", "cdn-", "cloudfront-", "fastly-", "fly-", "akamai-", "true-client-", "front-end-", "proxy-", "client-", "remote-"}

// addedByProxy reports whether proxies add a header of this name. Every name with X- counts, because there are too many
// to list, except those that clients send.
func addedByProxy(name string) bool {
	switch name {
	case "via", "forwarded":
		return true
	case "x-apikey", "x-requested-with":
		return false
	}
	if strings.HasPrefix(name, "x-") {
		return !strings.HasPrefix(name, "x-prometheus-")
	}
	for _, prefix := range proxyPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, "-ip")
}
