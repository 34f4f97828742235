package handlers

import (
	"net"
	"net/http"
	"testing"
)

// The client's address is found in what trusted proxies say, with ports and without, and nowhere else.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	_, proxies, err := net.ParseCIDR("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	extract := ipExtractor([]*net.IPNet{proxies})
	for _, tt := range []struct {
		peer, want string
		said       []string
	}{
		{"10.0.0.1:5000", "203.0.113.7", []string{"203.0.113.7"}},
		{"10.0.0.1:5000", "203.0.113.7", []string{"203.0.113.7:51234"}},
		{"10.0.0.1:5000", "2001:db8::1", []string{"[2001:db8::1]:443"}},
		{"10.0.0.1:5000", "2001:db8::1", []string{"[2001:db8::1]"}},
		{"10.0.0.1:5000", "2001:db8::1", []string{"2001:db8::1"}},
		{"10.0.0.1:5000", "2001:db8::1", []string{`"[2001:db8::1]:443"`}},
		{"10.0.0.1:5000", "203.0.113.7", []string{"192.0.2.1:1, 203.0.113.7:2,10.1.1.1:3"}},
		{"10.0.0.1:5000", "203.0.113.7", []string{"203.0.113.7:2", "10.1.1.1:3"}},
		{"10.0.0.1:5000", "10.2.2.2", []string{"10.2.2.2:1, 10.1.1.1:3"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"unknown"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"203.0.113.7:99999"}},
		{"10.0.0.1:5000", "10.0.0.1", []string{"example.com:80"}},
		{"10.0.0.1:5000", "10.0.0.1", nil},
		{"192.0.2.9:5000", "192.0.2.9", []string{"203.0.113.7:51234"}},
	} {
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": tt.said}}
		if got := extract(r); got != tt.want {
			t.Errorf("%s says %q: %s, want %s", tt.peer, tt.said, got, tt.want)
		}
	}
}
