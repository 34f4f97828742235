// Package share divides what is scarce among those who use it: memory by bytes, work by slots. Whoever uses more than
// others is refused or waits first, and nobody is kept waiting by one owner alone.
//
// An owner is the credential that a request came with (auth.Identity.Scope), or the network of its address where it
// has none. The owner travels in the context, so that the store can share by owner without knowing what a credential
// is.
//
// Lock order: Memory.mu and Slots.mu are leaves.
package share
