package peer

import (
	"net/http"
	"testing"
)

func TestLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.255.0.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "fe80::1": false, "::1%lo": false, "127.1": false, "127.0.0.1.nip.io": false,
		"localhost.evil.example": false, "evil.localhost": false, "localhost.": false, "evil.example": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestLoopbackHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8080": true, "127.0.0.1:1": true, "127.8.8.8": true, "[::1]": true, "[::1]:8080": true,
		"": false, "evil.example": false, "evil.example:8080": false, "localhost.evil.example:8080": false, "127.0.0.1.nip.io": false, "192.0.2.1:8080": false,
		"0.0.0.0:8080": false, "[::]:8080": false, "localhost@evil.example": false, "sluice": false,
	} {
		if got := LoopbackHost(&http.Request{Host: host}); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// A request through a proxy is not direct, whatever trace the proxy leaves.
func TestDirect(t *testing.T) {
	t.Parallel()
	direct := func(change func(*http.Request)) bool {
		r := &http.Request{RemoteAddr: "127.0.0.1:4711", Host: "localhost:8080", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
			"User-Agent": {"Prometheus/3.0"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "X-Prometheus-Scrape-Timeout-Seconds": {"10"}, "X-Apikey": {"k"},
			"Sec-Fetch-Site": {"none"}, "Cache-Control": {"no-cache"}, "Upgrade-Insecure-Requests": {"1"}, "Authorization": {"Basic x"}, "Traceparent": {"00-1-2-00"},
		}}
		change(r)
		return Direct(r)
	}
	if !direct(func(*http.Request) {}) || !direct(func(r *http.Request) { r.RemoteAddr, r.Host, r.ProtoMajor, r.ProtoMinor = "[::1]:1", "[::1]", 2, 0 }) {
		t.Error("direct requests are refused")
	}
	for name, change := range map[string]func(*http.Request){
		"another machine":     func(r *http.Request) { r.RemoteAddr = "192.0.2.1:4711" },
		"no peer":             func(r *http.Request) { r.RemoteAddr = "@" },
		"DNS rebinding":       func(r *http.Request) { r.Host = "evil.example:8080" },
		"no Host":             func(r *http.Request) { r.Host = "" },
		"HTTP/1.0, as nginx":  func(r *http.Request) { r.ProtoMinor = 0 },
		"the upstream's name": func(r *http.Request) { r.Host = "sluice" },
	} {
		if direct(change) {
			t.Error(name)
		}
	}
	for _, name := range []string{
		"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Anything", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
		"X-Original-Forwarded-For", "X-Original-Host", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Azure-Clientip", "X-Varnish", "X-Request-Id", "X-Proxyuser-Ip",
		"Cf-Connecting-Ip", "Cf-Ray", "True-Client-Ip", "Fastly-Client-Ip", "Fly-Client-Ip", "Cloudfront-Viewer-Address", "Cdn-Loop", "Client-Ip", "Wl-Proxy-Client-Ip",
		"Proxy-Authorization", "Front-End-Https", "Remote-Addr",
	} {
		for _, value := range []string{"127.0.0.1", ""} {
			if direct(func(r *http.Request) { r.Header.Set(name, value) }) {
				t.Errorf("%s: %q counts as direct", name, value)
			}
		}
	}
}
