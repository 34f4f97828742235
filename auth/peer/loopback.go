package peer

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Loopback reports whether host is this machine's loopback: the name localhost, or an address of 127.0.0.0/8 or ::1.
// Names below localhost are left out: resolvers ask the network for them.
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

// LoopbackHost reports whether a request's Host is loopback, with or without a port. A page whose own name was pointed
// at loopback (DNS rebinding) cannot forge that: its browser sends the name of the page.
func LoopbackHost(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil { // it has no port
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return Loopback(host)
}

// LoopbackOrigin reports whether no page sent a request, or one of this machine's loopback: a page of any other site can
// reach loopback by its address, and its browser then sends a loopback Host, but the page's own Origin.
func LoopbackOrigin(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !Loopback(u.Hostname()) {
			return false
		}
	}
	return true
}

// Direct reports whether a request came from this machine without a proxy between. Behind a proxy on the same machine
// every peer is loopback, so all that loopback alone opens asks this.
func Direct(r *http.Request) bool {
	return LoopbackAddr(r.RemoteAddr) && LoopbackHost(r) && !Forwarded(r)
}

// Forwarded reports whether a request shows any trace of a proxy: HTTP/1.0, which nginx speaks by default and clients no
// longer do, or a header that clients do not send of themselves.
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

// proxyPrefixes begin the headers of content delivery networks and hosts that lack an X-.
var proxyPrefixes = []string{"cf-", "cdn-", "cloudfront-", "fastly-", "fly-", "akamai-", "true-client-", "front-end-", "proxy-", "client-", "remote-"}

// addedByProxy reports whether proxies add a header of this name. Every X- counts, since there are too many to list,
// but for those that clients of ours send.
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
