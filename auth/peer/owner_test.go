package peer

import "testing"

func TestOwner(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ scope, address, want string }{
		{"key\x00a", "192.0.2.1", "key\x00a"},
		{"", "192.0.2.1", "address\x00192.0.2.1"},
		{"", "2001:db8::1", "address\x002001:db8::/64"},
		{"", "2001:db8::2", "address\x002001:db8::/64"},
	} {
		if got := Owner(tt.scope, tt.address); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
