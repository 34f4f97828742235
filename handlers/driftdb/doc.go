// Package driftdb is the door for DriftDB's clients (driftdb and driftdb-react 1.0.12). It serves rooms by WebSocket in JSON
// and CBOR, by POST, and as Server-Sent Events, which DriftDB itself does not have. docs/rooms.md describes its use;
// store/rooms is the model behind it.
//
// A room is a space of keyed events, $room/ID, and a connection is a cursor in it. So a slow client gets what the room
// retains, and does not delay others. The id of a room is the secret that opens it, so no log line and no metric has it.
//
// Invariants: Every connection of a room gets a push at most once, in the order of the numbers. A push that an init
// contains is not sent again after it. A connection has no goroutine while it waits: its writer calls it.
package driftdb
