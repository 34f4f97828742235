// Package user stores users in the log's store. A user signs in with an email address and a password, and gets a session.
//
// Invariants:
//   - Only the bcrypt hash of a password and the SHA-256 hash of a refresh token are stored. No log line, error or answer
//     contains either hash.
//   - A refresh token works once.
//   - A change that ends a user's sessions is in the same commit as their removal.
//   - Nothing changes a User: a change makes a new one, and ends the life of the old one.
//
// Lock order: Store.changing, then Store.mu. A commit of the log happens under changing, never under mu.
package user
