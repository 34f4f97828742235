package peer_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"sluice/auth/peer"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"https://app.example.com": "https://app.example.com", "https://app.example.com/": "https://app.example.com",
		"HTTPS://APP.Example.COM": "https://app.example.com", "https://app.example.com:443": "https://app.example.com",
		"https://app.example.com:": "https://app.example.com", "http://app.example.com:80/": "http://app.example.com",
		"http://app.example.com:443": "http://app.example.com:443", "https://app.example.com:8443": "https://app.example.com:8443",
		"http://localhost:3000": "http://localhost:3000", "http://[::1]:3000/": "http://[::1]:3000", "http://[::1]:80": "http://[::1]", "http://[2001:DB8::1]": "http://[2001:db8::1]",
		"https://app.example.com:0443": "https://app.example.com", "https://app.example.com:08443": "https://app.example.com:8443",
		"http://[0:0::1]:3000": "http://[::1]:3000", "http://[2001:db8:0:0::01]": "http://[2001:db8::1]",
		"http://192.0.2.1": "http://192.0.2.1", "https://app.example.com.": "https://app.example.com.", "https://192.0.2.example": "https://192.0.2.example", "capacitor://localhost": "capacitor://localhost", "chrome-extension://abc": "chrome-extension://abc", "*": "*",
		"https://xn--bcher-kva.de": "https://xn--bcher-kva.de",

		"https://app.example.com:65536": "", "http://127.1": "", "http://0x7f.0.0.1": "", "http://127.0.0.01": "", "http://192.0.2.300": "", "http://[::ffff:192.0.2.1]": "",
		"": "", "app.example.com": "", "https://": "", "https://app.example.com/path": "", "https://app.example.com?": "", "https://app.example.com?x": "",
		"https://app.example.com#": "", "https://user@app.example.com": "", "https://*.example.com": "", "https://bücher.de": "", " https://app.example.com": "",
		"https://app.example.com ": "", "https://a.example,https://b.example": "", "https://app.example.com:x": "", "https://a%2Eexample": "", "null": "", "//app.example.com": "",
	} {
		got, err := peer.Origin(s)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", s, got, err, want)
		}
	}
}

// TestOwnOrigin: the origin of the gateway's own pages, also behind a proxy.
func TestOwnOrigin(t *testing.T) {
	t.Parallel()
	_, trusted, err := net.ParseCIDR("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	const proxy, client = "192.0.2.1:4711", "198.51.100.1:4711"
	for _, tt := range []struct {
		from, host  string
		tls         bool
		proto, name string // X-Forwarded-Proto and X-Forwarded-Host
		want        string
	}{
		{client, "gw.example", false, "", "", "http://gw.example"},
		{client, "GW.example:8080", false, "", "", "http://gw.example:8080"},
		{client, "gw.example:80", false, "", "", "http://gw.example"},
		{client, "gw.example:443", true, "", "", "https://gw.example"},
		{client, "[::1]:8080", false, "", "", "http://[::1]:8080"},
		{client, "gw.example", false, "https", "evil.example", "http://gw.example"},
		{proxy, "gw.example", false, "https", "", "https://gw.example"},
		{proxy, "gw.example", true, "http", "", "http://gw.example"},
		{proxy, "gw:8080", false, "HTTPS", "gw.example", "https://gw.example"},
		{proxy, "gw.example", false, "wss", "", "https://gw.example"},
		{proxy, "gw.example", false, "ws", "", "http://gw.example"},
		{proxy, "gw.example", false, "https, http", "www.example, gw.example", "https://www.example"},
		{proxy, "gw.example", false, "", "", "http://gw.example"},
		{proxy, "gw.example", false, "https", "a b", ""},
		{client, "", false, "", "", ""},
		{client, "gw.example/x", false, "", "", ""},
		{"@", "gw.example", false, "https", "", "http://gw.example"},
	} {
		r := &http.Request{RemoteAddr: tt.from, Host: tt.host, Header: http.Header{}}
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if tt.name != "" {
			r.Header.Set("X-Forwarded-Host", tt.name)
		}
		if got := (peer.Proxies{trusted}).Origin(r); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}
