// Package traffic is what all doors share: it admits streams and requests, up to the limits of the settings and until the
// gateway drains, and counts them.
//
// A door opens each stream with a Lease. The lease takes the stream's place, memory and subscriber, and gives all of them
// back when the stream ends.
//
// Invariants: Drain waits for every stream and publish that was admitted. One that was refused is never counted as open. A
// panic in a stream ends only that stream.
//
// Lock order: gate.mu, limits.mu and pending.mu are leaves.
package traffic
