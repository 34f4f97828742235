package peer_test

import (
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
