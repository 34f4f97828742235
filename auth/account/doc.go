// Package account keeps accounts, people and programs that sign in with a name and a password, in the store of
// the log.
//
// Invariants: a password is kept as a bcrypt hash and stands in no log line and no error; what a wrong name costs
// is what a wrong password costs; a hash that was verified is not computed again while the process lives and the
// account does not change.
//
// Lock order: Store.changing, Store.mu; the first is held while the log commits, the second never.
package account
