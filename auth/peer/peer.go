// Package peer tells what an address says of who sent a request: what of it counts where clients are bounded by address,
// and whether the request came from this machine.
package peer

import "net/netip"

// Network is the part of an address that its owner does not choose: all of an IPv4 address, and the first 64 bits of
// an IPv6 address, which even one household has to itself (RFC 6177). What is no address counts as it is.
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

// Bytes is the same without an allocation: two addresses have the same bytes if they have the same Network. It is zero
// for what is no address.
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
