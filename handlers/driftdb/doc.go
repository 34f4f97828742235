// Package driftdb is the door for DriftDB's clients (driftdb and driftdb-react 1.0.12): rooms, by WebSocket in JSON
// and CBOR, by POST, and beyond DriftDB as Server-Sent Events. docs/rooms.md has its use, store/rooms the model behind it.
//
// A room is a space of keyed events, $room/ID, and a connection a cursor on it, as everywhere: who is slow gets what is
// retained and holds up nobody. The id of a room is the secret that opens it: it stands in no log line and no metric.
//
// Invariants: a push is handed to every connection of its room once, in the order of their numbers; what is in an init does
// not come behind it as a push; one goroutine writes to a connection.
package driftdb
