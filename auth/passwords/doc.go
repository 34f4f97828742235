// Package passwords hashes passwords and checks them, for all who sign in with a name and a password.
//
// Invariants: so many hashes are computed at a time as leave a processor free, and a bounded number waits for its
// turn; what a wrong name costs is what a wrong password costs; a hash that was verified is not computed again while the
// process lives.
//
// Lock order: Checker.mu is a leaf, and is not held while a hash is computed.
package passwords
