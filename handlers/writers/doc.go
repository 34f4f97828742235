// Package writers writes the events of a stream to its client's connection, until the stream ends. There are two
// writers that give the same bytes:
//
// The goroutine writer holds a goroutine for each stream and writes through net/http: TLS, HTTP/2, and
// systems other than Linux.
//
// The shared writer takes clear-text HTTP/1 connections over once the handlers have done their part. Its
// shards, one goroutine each, write to all of theirs without waiting: an idle connection has neither a
// goroutine nor a buffer, and one that cannot take more now is left until the kernel says that it can.
// Pings, expiries and time limits come from a sweep, four times a second.
//
// Invariants: a frame leaves in one write, unless the connection takes only a part of it; a stream that we
// end ends between frames; the lease of each stream is ended, also after a panic, which ends no other stream.
//
// Lock order: shard.mu is a leaf; it is held for moving items of a list only.
package writers
