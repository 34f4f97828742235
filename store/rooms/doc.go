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
// Lock order: census.evicting, then census.mu or Rooms.mu, then makers.mu. The log is called with census.mu locked, and
// with Rooms.mu locked to look up or drop a room: nobody may enter a room while it is dropped.
package rooms
