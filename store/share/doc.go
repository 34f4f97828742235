// Package share divides scarce resources among those who use them: memory by bytes, work by slots. Owners that use more
// than others are refused first, or wait first. No owner alone can make others wait for long.
//
// An owner is the credential of a request (auth.Identity.Scope), or without one the network of its address. The context
// carries the owner, so the store can share by owner without knowing what a credential is.
//
// Lock order: Memory.mu and Slots.mu are leaves.
package share
