// Package passwords hashes passwords and checks them, for all who sign in with a name and a password.
//
// Invariants: so many hashes are computed at a time as leave a processor free, and a bounded number waits for its
// turn; what a wrong name costs is what a wrong password costs; a hash that was verified is not computed again while the
// process lives. Wrong passwords are bounded by name and by address; who has used them up is told nothing more, not even
// of a right one.
//
// Lock order: Checker.mu and tries.mu are leaves, and are not held while a hash is computed.
package passwords
