// Package pebble is the default engine. One Pebble instance has the log, both indexes, the idempotency answers and the
// log's own state, so a commit is one atomic batch.
//
// A space is cut into segments of 1/32 of what it retains. Retention drops whole segments by range deletes. Readers
// apply the exact floor by age themselves. With the durability `process`, fsyncs of the WAL return at once (see fs.go):
// what was written survives a kill of the process, since the kernel has it.
//
// Invariants: the floor in memory moves before anything is deleted, and a reader opens its iterator before it reads the
// floor. So a reader never misses an event without seeing a gap. Every commit writes `last`. An engine that has failed
// (a WAL or MANIFEST write failed) never acknowledges anything.
//
// Lock order: Engine.using (for reading by all that call Pebble, for writing by Close), then Engine.retaining, then
// Engine.mu. No call into Pebble is made with mu locked. condition.mu comes last, and Pebble takes it in its callbacks.
package pebble
