// Package sse turns frames to bytes, after the WHATWG HTML standard 9.2 and the contract's
// section 3. Pure functions: no locks, no I/O, no clock.
//
// Invariants: every frame ends with one blank line, has a data line, and uses LF alone; whatever is
// put into a frame cannot hold a line break, as names are checked before they get here and data is
// compact JSON.
package sse
