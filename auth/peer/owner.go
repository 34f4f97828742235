package peer

// Owner is who the work and the memory of a client are charged to: the scope of its credential or, where that is "" as
// it has none, the network of its address.
func Owner(scope, address string) string {
	if scope != "" {
		return scope
	}
	return "address\x00" + Network(address)
}
