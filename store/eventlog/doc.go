// Package eventlog is the ordered, durable sequence of all events: what is in it was published,
// in that order, and its place in it is its id.
//
// A Log is a committer in front of an Engine. The committer is one goroutine: it takes all that
// waits, checks conditions in order, gives ids, lets the engine store the group in one commit,
// moves settled, hands the group to the tail and answers the publishers, in that order. Engines
// (memory, pebble) store and read; they give no ids and keep no order of their own.
//
// Invariants: ids only grow, across restarts and clock steps; readers see nothing above settled;
// a request is stored whole or not at all; an acknowledged event survives a kill of the process.
//
// Lock order: Log.mu, then an engine's own lock. The tail is called without any lock held.
package eventlog
