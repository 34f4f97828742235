// Package index finds the views that want an event. This takes a few map look-ups and the time for the views found, never
// a loop over all views.
//
// A view is registered under each pattern of its set. The left side of a pattern leads to a node, and there its right side
// leads to a list. Prefixes are found by look-ups too: one for each length of prefix in use, at most 128 for each side.
//
// An Index has no lock; its owner must have one. Invariant: after a view is removed, nothing of it is left.
package index
