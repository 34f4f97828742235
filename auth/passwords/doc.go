// Package passwords hashes and checks the passwords of users and accounts.
//
// Invariants:
//   - Hashes use all processors except one. A limited number of requests waits for them.
//   - A wrong name takes the same time as a wrong password.
//   - A verified hash is not computed again while the process lives.
//   - Wrong passwords are limited by name and by address. Above the limit, every answer is the same, even for the right
//     password.
//
// Checker.mu and tries.mu are leaves. No hash is computed under a lock.
package passwords
