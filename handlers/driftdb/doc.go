// Package driftdb is the door for DriftDB's clients (driftdb and driftdb-react 1.0.12): rooms, by WebSocket in JSON and
// CBOR, by POST, and, which DriftDB does not have, as Server-Sent Events. docs/rooms.md describes its use; store/rooms is
// the model behind it.
//
// A room is a space of keyed events, $room/ID, and a connection is a cursor in it. So a slow client gets what the room
// retains, and delays nobody else. The id of a room is the secret that opens it: it appears in no log line and no metric.
//
// Invariants: Every connection of a room gets a push at most once, in the order of the numbers. A push that an init
// contains does not follow it as a push again. Only one goroutine writes to a connection.
package driftdb
