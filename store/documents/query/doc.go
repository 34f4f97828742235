// Package query asks questions of JSON documents: which ones match a condition, in what order they come, which of
// their fields are shown, what their values add up to. It knows no door's syntax; the doors parse theirs into its
// types.
//
// A document is a compact JSON object in one text, checked before it was stored. A query is one pass over many of
// them, so nothing is decoded into maps: a field is looked up in the text by its name and the rest is skipped.
//
// Values have one total order (Compare), and AppendKey spells a value such that bytes sort alike. An index holds
// Field.AppendKey of each document; Condition.Ranges says where in it a condition's documents can be. It may be
// asked too much of, never too little: Match decides.
//
// Invariants: a compiled Condition, a Field, an Order and a Projection never change and are safe for concurrent
// use. What a client sends is bounded here (limits.go), and a refusal is an *Error.
package query
