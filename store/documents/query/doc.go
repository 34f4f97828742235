// Package query evaluates queries on JSON documents: which documents match a condition, in what order they come, which
// fields are shown, and aggregates. It knows no door's syntax. The doors parse theirs into its types.
//
// A document is a compact JSON object in one text, which was checked before it was stored. A query is one pass over
// many documents, so nothing is decoded into maps: a field is looked up in the text by its name, and the rest is
// skipped.
//
// Values have one total order (Compare). AppendKey encodes a value so that the bytes sort in the same order. An index
// has the Field.AppendKey of each document. Condition.Ranges returns the parts of an index that may have a condition's
// documents. These parts may be too large, but never too small: Match decides.
//
// Invariants: a compiled Condition, a Field, an Order and a Projection never change and are safe for concurrent use.
// What a client sends is bounded here (limits.go), and a refusal is an *Error.
package query
