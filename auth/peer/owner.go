package peer

// Owner returns whom a client's work and memory are charged to: the scope of its credential, or the network of its
// address if it has no credential (scope is "").
func Owner(scope, address string) string {
	if scope != "" {
		return scope
	}
	return "address\x00" + Network(address)
}
