// Package rooms is the model of rooms, after DriftDB's: who may make one and how many there are, who is in one now, how
// fast it takes pushes, which clients are present, and when it is dropped. It knows no HTTP and no credentials.
//
// A room is a space of keyed events, $room/ID. What it retains is the log's; what is here is known in memory only, of
// rooms that somebody is in, and begins anew with the process.
//
//	          Make             Enter                  Leave, the last one
//	(no room) ----> empty ----------------> occupied ---------------------> empty
//	    ^             |
//	    +-------------+ drop: nothing was said for Retention, or nothing ever for Unused, or there is no place for others
//
// Whoever has entered calls Leave once; or Connect and, where that let them in too, Disconnect once.
//
// Lock order: census.evicting, then census.mu or Rooms.mu, then makers.mu. The log is called with census.mu held, and with
// Rooms.mu where rooms are looked up or dropped: nobody may enter a room while it is dropped.
package rooms
