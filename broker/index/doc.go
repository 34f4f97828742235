// Package index finds the views that want an event, at the cost of a few map look-ups and of the
// views found, never of a loop over all.
//
// A view is registered under each pattern of its set. A pattern's left side leads to a node, whose
// right side leads to a list. Prefixes are found by look-ups too: one for each length of prefix
// that is in use, at most 128 a side.
//
// An Index has no lock: its owner holds one. Invariant: nothing stays behind a removed view.
package index
