// Package memory is the engine that keeps nothing across a restart: DATA_DIR=memory, and tests.
//
// Each space is a slice of events in order of ids, with an index by channel and one by stream.
// Retention cuts from the front. Lock order: Engine.mu is the only lock.
package memory
