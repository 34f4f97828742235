// Package eventlog is the log: the ordered, durable sequence of all events. The id of an event is its position.
//
// A Log is a committer in front of an Engine. The committer is one goroutine. It takes all requests that wait, checks
// their conditions in order, gives ids, and lets the engine store the group in one commit. Then it moves settled,
// passes the group to the tail and answers the publishers, in that order. Engines (memory, pebble) store and read. They
// give no ids and have no order of their own. All that stores an event calls Log.Append; what an event may hold is checked
// by who calls it.
//
// Invariants: ids only grow, across restarts and steps of the clock. Readers see nothing above settled. A request is
// stored whole or not at all. An acknowledged event survives a kill of the process.
//
// Lock order: Log.mu, then an engine's own lock. The tail is called without any lock.
package eventlog
