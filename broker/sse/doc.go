// Package sse makes and parses frames, by the WHATWG HTML standard section 9.2 and docs/protocol.md. It has only pure
// functions: no locks, no I/O, no clock.
//
// Invariants: every frame has a data line, ends with one blank line, and uses LF only. Nothing that is put into a frame
// contains a line break: names are checked before they get here, and data is compact JSON.
package sse
