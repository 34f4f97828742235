// Package user stores users in the log's store. A user signs in with an email address and a password, and gets a session.
//
// Invariants:
//   - Only the bcrypt hash of a password and the SHA-256 hash of a refresh token are stored. No log line, error or answer
//     contains either hash.
//   - A refresh token works once.
//   - A change that ends a user's sessions is in the same commit as their removal.
//   - Nothing changes a User: a change makes a new one, and ends the life of the old one.
//   - The users and sessions in memory follow the rows. A change is conditional on the rows that it was made from.
//
// No lock is held over a commit. Store.mu and sessions.mu are leaves.
package user
