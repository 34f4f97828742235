// Package rooms is the model of rooms, after DriftDB's: who may make a room, how many there are, who is in one now, how
// fast it accepts pushes, which clients are present, and when it is dropped. It knows no HTTP and no credentials.
//
// A room is a keyed space, $room/ID. The log has what a room retains. This package knows only the rooms that somebody
// is in, in memory, and starts empty with the process.
//
//	          Make             Enter                  Leave, the last one
//	(no room) ----> empty ----------------> occupied ---------------------> empty
//	    ^             |
//	    +-------------+ drop: silent for Retention, without any push for Unused, or evicted to make room for others
//
// Whoever has entered calls Leave once; or Connect and, if that succeeds, Disconnect once.
//
// Lock order: census.evicting, then census.mu, then Rooms.mu, then makers.mu. With Rooms.mu locked the log is only read,
// to look up a room. While the log commits a drop, whoever comes to one of its rooms waits, and to others nobody does.
package rooms
