package rooms

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"sluice/store/eventlog"
)

// room is a room that somebody is in, or is looking at:
//
//	inside counts connections and requests, open only connections
//
//	Enter: inside+1 --> Connect: open+1   --> Disconnect: open-1, inside-1
//	                --> Connect refused: inside-1
//	                --> Leave: inside-1
type room struct {
	inside  int       // connections, and requests under way
	open    int       // connections
	looked  bool      // the next two are known. They follow the room's row
	there   bool      // it exists
	pushed  bool      // something was pushed to it
	left    time.Time // when it became empty; it stays known for a while, so that its rate also limits POSTs
	budget  budget
	users   users
	present map[*Clients]struct{} // nil until a client sends a presence; most rooms have none
}

// Enter counts somebody in. If there is no such room, the error is ErrNoRoom. If the room is being dropped, Enter waits for
// the outcome; then the error may also be the context's, or an eventlog.ErrUnavailable. If the log cannot be read, the
// error is the log's.
func (r *Rooms) Enter(ctx context.Context, id string) error {
	if !IsID(id) {
		return ErrNoRoom
	}
	var err error
	// The client may have made it at another gateway just now.
	behind := r.o.Log.Again(ctx, func() bool {
		err = r.enter(ctx, id)
		return !errors.Is(err, ErrNoRoom)
	})
	return cmp.Or(behind, err)
}

func (r *Rooms) enter(ctx context.Context, id string) error {
	if err := r.lock(ctx, id); err != nil {
		return err
	}
	defer r.mu.Unlock()
	entered := r.rooms[id]
	if entered == nil {
		entered = &room{budget: newBudget(r.o.Limits.Rate)}
		r.rooms[strings.Clone(id)] = entered // a clone, since id points into the request line and would keep that in memory
	}
	entered.inside++ // before the look, so that the room is followed from here on, and not dropped
	err := r.exists(id, entered)
	if err != nil {
		if entered.inside--; entered.inside == 0 {
			delete(r.rooms, id)
		}
	}
	return err
}

// exists returns nil if a room exists, or else ErrNoRoom. Of a room that was not known, it reads the row.
func (r *Rooms) exists(id string, known *room) error {
	if !known.looked {
		s, there, err := r.read(id)
		if err != nil {
			return err
		}
		if !known.looked { // if the row has changed meanwhile, follow knows better
			known.set(s, there)
		}
	}
	if !known.there {
		return ErrNoRoom
	}
	return nil
}

// read reads a room's row. Meanwhile mu is not locked, as the disk may be slow.
func (r *Rooms) read(id string) (s eventlog.KeyedSpace, there bool, err error) {
	r.mu.Unlock()
	defer r.mu.Lock()
	return r.o.Log.KeyedSpace(Space(id))
}

// set notes what a room's row says.
func (r *room) set(s eventlog.KeyedSpace, there bool) {
	r.looked, r.there, r.pushed = true, there, s.Seq > 0
}

// Connect counts a connection of somebody who has entered. If the room has as many as allowed, Connect counts them out
// instead. Requests that end by themselves are no connections, so clients can still push to a full room.
func (r *Rooms) Connect(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	entered := r.rooms[id]
	if entered.open >= r.o.Limits.Connections {
		entered.leave()
		return refuse(Full, 5*time.Second, "the room has as many connections as MAX_ROOM_CONNECTIONS allows; close one or try again later")
	}
	entered.open++
	return nil
}

// Disconnect counts a connection out.
func (r *Rooms) Disconnect(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms[id].open--
	r.rooms[id].leave()
}

// Leave counts somebody out who has no connection.
func (r *Rooms) Leave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms[id].leave()
}

func (r *room) leave() {
	if r.inside--; r.inside == 0 {
		r.left = time.Now()
	}
}

// emptyRoomLife is how long an empty room is known, so that its rate goes on.
const emptyRoomLife = 10 * time.Second

// forgetEmpty forgets rooms that have been empty for a while; Enter makes them again. A room without any push is known
// for longer, since its age counts from when somebody left it.
func (r *Rooms) forgetEmpty(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, known := range r.rooms {
		if known.inside > 0 || now.Sub(known.left) <= emptyRoomLife {
			continue
		}
		if known.pushed || !known.there || now.Sub(known.left) > r.o.Unused {
			delete(r.rooms, id)
		}
	}
}
