package rooms

import (
	"strings"
	"time"
)

// room is one that somebody is in, or is just looking at.
type room struct {
	inside  int       // connections, and requests under way
	open    int       // connections
	left    time.Time // when it became empty; it is known for a while, so that its rate holds for POSTs too
	used    bool      // something was pushed to it
	budget  budget
	users   users
	present map[*Clients]struct{} // nil until somebody says that they are there: most rooms are just pushed to
}

// Enter counts somebody in, if there is such a room: else the error is ErrNoRoom, or the log's.
func (r *Rooms) Enter(id string) error {
	if !IsID(id) {
		return ErrNoRoom
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	entered := r.rooms[id]
	if entered == nil {
		known, there, err := r.o.Log.KeyedSpace(Space(id))
		if err != nil {
			return err
		}
		if !there {
			return ErrNoRoom
		}
		entered = &room{used: known.Seq > 0, budget: newBudget(r.o.Limits.Rate)}
		r.rooms[strings.Clone(id)] = entered // an id is a part of the request line, which it would keep
	}
	entered.inside++
	return nil
}

// Connect makes a connection of somebody who was counted in. Where the room has all its connections, it counts them out
// instead. A request that ends by itself is no connection: whoever is in a full room can be talked to.
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

// Leave counts somebody out who made no connection.
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

// emptyFor is how long an empty room is known, so that its rate goes on.
const emptyFor = 10 * time.Second

// forgetEmpty forgets the rooms that have been empty for a while: they are read again when they are needed. One that
// nothing was pushed to is known for longer, as its time begins when it is left.
func (r *Rooms) forgetEmpty(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, known := range r.rooms {
		if known.inside == 0 && now.Sub(known.left) > emptyFor && (known.used || now.Sub(known.left) > r.o.Unused) {
			delete(r.rooms, id)
		}
	}
}

// keep drops rooms in which nothing was said for the time that the settings give them, until Close.
func (r *Rooms) keep() {
	tick := time.NewTicker(emptyFor)
	defer tick.Stop()
	old := time.NewTicker(max(time.Second, min(time.Minute, r.o.Retention/10, r.o.Unused/10)))
	defer old.Stop()
	for {
		select {
		case <-r.quit:
			return
		case now := <-tick.C:
			r.forgetEmpty(now)
		case <-old.C:
			if err := r.dropOld(); err != nil {
				r.o.Logger.Error("dropping rooms", "cause", err)
			}
		}
	}
}
