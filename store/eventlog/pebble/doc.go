// Package pebble is the default engine: one Pebble instance holds the log, both indexes, the
// idempotency answers and what the log must know of itself, so that a commit is one atomic batch.
//
// A space is cut into segments of 1/32 of what it retains; retention drops whole segments by range
// deletes, and readers apply the exact floor by age themselves. In `process` durability the WAL's
// fsyncs are answered at once (see fs.go): what was written survives a kill, as the kernel has it.
//
// Invariants: the in-memory floor moves before anything is deleted, and a reader takes its iterator
// before it looks at the floor, so nothing vanishes under a reader in silence; `last` is written with
// every commit; a dead engine (a failed WAL or MANIFEST write) never acknowledges anything.
//
// Lock order: Engine.using (for reading, by all that call into Pebble; for writing by Close), then
// Engine.retaining, then Engine.mu; no call into Pebble is made with mu held. condition.mu comes last,
// and Pebble takes it from its callbacks.
package pebble
