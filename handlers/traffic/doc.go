// Package traffic is what all doors share: who is let in, up to the limits of the settings and until the
// gateway drains, and what is counted.
//
// A door opens each stream by a Lease, which takes the place, the memory and the subscriber of the stream and gives all of
// them back at its end.
//
// Invariants: a stream or a publish that was let in is waited for by Drain; who was not let in is never
// counted; a panic in a stream ends that stream only. Lock order: gate.mu, limits.mu and pending.mu are leaves.
package traffic
