package peer

import "testing"

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1":          "192.0.2.1",
		"::ffff:192.0.2.1":   "192.0.2.1",
		"2001:db8:1:2:3::4":  "2001:db8:1:2::/64",
		"fe80::1%eth0":       "fe80::/64",
		"no address":         "no address",
		"":                   "",
		"2001:db8:1:2::ffff": "2001:db8:1:2::/64",
	} {
		if got := Network(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

// Addresses have the same bytes if they are of the same network.
func TestBytes(t *testing.T) {
	t.Parallel()
	addresses := []string{
		"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8:1:2:3::4", "2001:db8:1:2::ffff", "2001:db8:1:3::4", "fe80::1%eth0", "fe80::2",
	}
	for _, a := range addresses {
		for _, b := range addresses {
			if (Network(a) == Network(b)) != (Bytes(a) == Bytes(b)) {
				t.Errorf("%s and %s", a, b)
			}
		}
	}
	if Bytes("no address") != ([16]byte{}) {
		t.Error("what is no address has bytes")
	}
}
