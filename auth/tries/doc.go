// Package tries bounds guessing: a burst of wrong tries passes at once, and after that one in each interval.
//
// Names bounds passwords, by the name that is tried and by the address that tries. Guard bounds keys, which have no
// name, by address. Both count an IPv4 address or an IPv6 /64 as one address.
//
// Invariants: the answer to a guess does not tell whether the name exists; who has signed in from an address before is
// not locked out there by others who guess; every table has a bound. Locks are leaves.
package tries
