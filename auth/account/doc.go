// Package account stores accounts in the log's store. An account signs in with a name and a password at the door of
// databases; people and programs have accounts.
//
// Invariants:
//   - Only the bcrypt hash of a password is stored. No log line and no error contains a password.
//   - A wrong name takes the same time as a wrong password.
//   - A verified hash is not computed again until the account changes or the process ends.
//   - The accounts in memory follow the rows. A change is conditional on the row that it was made from.
//
// No lock is held over a commit.
package account
