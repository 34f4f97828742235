// Package eventlog is the log: the ordered, durable sequence of all events. The id of an event is its position.
//
// A Log applies the entries of a Journal to an Engine:
//
//	Append -> queue = Journal -> committer: conditions -> ids -> Engine.Commit -> followers -> settled -> tail -> answers
//
// The journal puts requests in order; with one process it is the queue. The committer is one goroutine. It takes the
// entries that are next, and lets the engine store a group of them in one commit. Engines (memory, pebble) store and read.
// They give no ids and have no order of their own. All that stores an event calls Log.Append; what an event may hold is
// checked by who calls it.
//
// A Shared journal has the requests of several processes. A log proposes a message of what waits in its queue, and answers
// its publishers when the message comes out of the journal; each log applies all of them:
//
//	Append -> queue -> Propose -> journal -> Next -> committer, as above
//
// A message is applied once, however often it is in the journal. It is one commit, or a part of one.
//
// Invariants: what an entry does depends on the entries before it alone, not on a clock, a setting or its group. A refusal
// is such an outcome; a failure is tried again. Ids only grow, across restarts and steps of the clock. Readers see nothing
// above settled. A request is stored whole or not at all. An acknowledged event survives a kill of the process. Caches of
// rows follow the log: see Follow.
//
// Lock order: Log.applying, which followers, derivations and the tail run under, then Log.mu, then an engine's own lock. Who
// holds a lock that a follower takes must not wait for the log. Nothing is locked under the locks of proposals and barriers.
package eventlog
