// Package memory is the engine for DATA_DIR=memory and for tests. Nothing survives a restart.
//
// Each space is a slice of events in order of ids, with one index by channel and one by stream. Retention cuts from the
// front. Engine.mu is the only lock.
package memory
