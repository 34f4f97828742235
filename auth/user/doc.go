// Package user keeps users, people who sign in with an email address and a password and are given a session, in the
// store of the log.
//
// Invariants: a password is kept as a bcrypt hash and a refresh token as its SHA-256, and neither stands in a log line, an
// error or an answer; a refresh token is good for one use; what ends a user's sessions is in the same commit as they; a user
// is never changed: a change makes another, and ends the life of the one before.
//
// Lock order: Store.changing, Store.mu; the first is held while the log commits, the second never.
package user
