// Package tries limits guessing. A burst of wrong tries passes at once; after that, one passes in each interval.
//
// Names limits passwords, by the name and by the address. Guard limits keys, which have no name, by the address. Both
// count an IPv4 address or an IPv6 /64 as one address.
//
// Invariants:
//   - The answer to a guess does not reveal whether the name exists.
//   - Others who guess do not lock out a client at an address from which it has signed in before.
//   - Every table has a largest size.
//
// All locks are leaves.
package tries
