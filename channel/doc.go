// Package channel has names, channels, patterns and sets of patterns. Permissions and filters are made of them.
//
// The channel of a method event is METHOD:collection, with POST, PUT or DELETE as the method (PATCH counts as PUT). That of
// a custom event is name or name:collection. A pattern is a channel in which each side may be * or end in *. A Set is what
// a grant allows, or what a request asks for.
//
// All types are plain values, without locks and I/O.
//
// Invariants:
//   - Only Parse and Intersect make a Pattern, so its sides are valid.
//   - A Set is minimal (no pattern covers another one) and sorted. So equal sets have equal texts, and their subscribers
//     share one view.
package channel
