// Package traffic is what all doors share: who is let in, up to the limits of the settings and until the
// gateway drains, and what is counted.
//
// Invariants: a stream or a publish that was let in is waited for by Drain; who was not let in is never
// counted. Lock order: gate.mu and limits.mu are leaves.
package traffic
