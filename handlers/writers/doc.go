// Package writers writes the events of a stream to its client's connection until the stream ends. It has two writers,
// which send the same bytes:
//
// The goroutine writer has one goroutine for each stream and writes through net/http. It serves HTTP/2, answers that end by
// themselves, and systems other than Linux.
//
// The shared writer takes over connections of HTTP/1 after the handlers have done their part, with TLS and without. It has a
// few shards, with one goroutine each. A shard writes to all of its connections without waiting for any. An idle connection
// has no goroutine and no buffer. A blocked one waits until the kernel reports room. A sweep, four times a second, sends
// the pings, and ends streams that expire or exceed a time limit.
//
// Both serve sockets as well. What the door says and hears is a Conversation. The shared writer reads a socket when there is
// something to read, and has goroutines for it only while a message is handled, or while something must wait. The goroutine
// writer has two for each socket.
//
// Invariants: A frame leaves in one write, unless the connection takes only a part of it. A stream that the gateway ends
// ends between two frames. Every stream's lease is ended, even after a panic, and a panic ends no other stream.
//
// Lock order: shard.mu is a leaf. It protects the lists that others put streams into, and is locked only to move their
// items.
package writers
