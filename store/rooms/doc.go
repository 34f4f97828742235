// Package rooms is the model of rooms, after DriftDB's: who may make a room, how many there are, who is in one now, how
// fast it accepts pushes, which clients are present, and when it is dropped. It knows no HTTP and no credentials.
//
// A room is a keyed space, $room/ID. The log has what a room retains. This package has in memory how many rooms there are,
// which follows the rows of the log; the rooms that somebody is in or has just left; and who made a room, of those that
// this process has made. When the process starts, no room takes memory.
//
//	          Make             Enter                  Leave, the last one
//	(no room) ----> empty ----------------> occupied ---------------------> empty
//	    ^             |
//	    +-------------+ drop: silent for Retention, without any push for Unused, or evicted to make room for others
//
// Whoever has entered calls Leave once; or Connect and, if that succeeds, Disconnect once.
//
// Other processes may make, use and drop rooms of the same log. While a silent room has connections, the process touches
// the room's row every half of Retention, or of Unused, so that no other process drops it. Rooms without any push that
// are evicted are the exception: a process does not see the clients that others have there.
//
// Lock order: census.evicting, then the log's own lock, then Rooms.mu, then census.mu and makers.mu. The log calls follow
// with its lock, so nobody waits for the log with one of the last three. While the log commits a drop, whoever comes to one
// of its rooms waits, and to others nobody does.
package rooms
