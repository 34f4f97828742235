// Package peer finds out where a request came from: from which network, for limits by address, from which origin, and
// whether from this machine.
package peer

import "net/netip"

// Network returns the part of an address that its owner cannot choose. That is all of an IPv4 address, but only the first
// 64 bits of an IPv6 address: even one household may choose the rest (RFC 6177). It returns any other text unchanged.
func Network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// Bytes is Network without an allocation: two addresses have the same bytes exactly if they have the same Network. It is
// zero for a text that is no address.
func Bytes(address string) (b [16]byte) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return b
	}
	b = ip.As16()
	if !ip.Unmap().Is4() {
		clear(b[8:])
	}
	return b
}
