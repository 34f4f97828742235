// Package wsframe reads and writes the frames of WebSockets (RFC 6455) from bytes as they come, at every door alike. It
// does not know connections, so that a goroutine for each of them is not needed. What it reads is bounded in length and
// in memory, also where only a part of a message has arrived; its user bounds the time.
//
// Invariants: Nothing is allocated while no message is under way. A message takes memory for what has arrived of it, not
// for what its frames announce.
package wsframe
