// Package channel speaks of who may see what: names, channels, patterns and sets of patterns.
//
// A channel is METHOD:collection for method events (POST, PUT, DELETE; PATCH is another
// spelling of PUT) and name or name:collection for custom ones. A pattern is a channel in which
// a side may be * or end in *. A Set is what a grant allows or a request asks for.
//
// Everything here is a pure value: no locks, no I/O. Invariants: a Pattern is only ever made by
// Parse or by intersecting two others, so its sides are valid; a Set is minimal (no pattern of
// it is covered by another) and sorted, so equal sets have equal keys and share one view.
package channel
