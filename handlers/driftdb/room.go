package driftdb

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
)

// room is one that somebody is in, or is just looking at.
type room struct {
	inside  int       // connections, and requests under way
	open    int       // connections
	left    time.Time // when it became empty; it is known for a while, so that its rate holds for POSTs too
	used    bool      // something was pushed to it
	budget  budget
	users   users
	present map[*conn]presences // nil until somebody says that they are there: most rooms are just pushed to
}

// enter counts somebody in, if there is such a room.
func (h *Handler) enter(id string) error {
	if !isID(id) {
		return errNoRoom
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r == nil {
		known, there, err := h.o.Broker.Log().KeyedSpace(space(id))
		if err != nil {
			return unavailable(err)
		}
		if !there {
			return errNoRoom
		}
		r = &room{used: known.Seq > 0, budget: newBudget(h.o.Limits.Rate)}
		h.rooms[strings.Clone(id)] = r // an id is a part of the request line, which it would keep
	}
	r.inside++
	return nil
}

// join counts a connection in.
func (h *Handler) join(c echo.Context, id string) error {
	if err := h.find(c, id); err != nil {
		return err
	}
	if h.open(id) {
		return nil
	}
	h.leave(id)
	return httperr.New(http.StatusTooManyRequests, httperr.TooManyPerRoom,
		"the room has as many connections as MAX_ROOM_CONNECTIONS allows; close one or try again later").After(5 * time.Second)
}

// open is false where the room has its connections. A request that ends by itself is none of them: whoever is in a full
// room can be talked to.
func (h *Handler) open(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r.open >= h.o.Limits.Connections {
		return false
	}
	r.open++
	return true
}

// part counts it out.
func (h *Handler) part(id string) {
	h.mu.Lock()
	h.rooms[id].open--
	h.mu.Unlock()
	h.leave(id)
}

// leave counts somebody out.
func (h *Handler) leave(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.rooms[id]
	if r.inside--; r.inside == 0 {
		r.left = time.Now()
	}
}

// emptyFor is how long an empty room is known, so that its rate goes on.
const emptyFor = 10 * time.Second

// forgetEmpty forgets the rooms that have been empty for a while: they are read again when they are needed. One that
// nothing was pushed to is known for longer, as its time begins when it is left.
func (h *Handler) forgetEmpty(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, r := range h.rooms {
		if r.inside == 0 && now.Sub(r.left) > emptyFor && (r.used || now.Sub(r.left) > h.o.Unused) {
			delete(h.rooms, id)
		}
	}
}

// keep drops rooms in which nothing was said for the time that the settings give them, until Close.
func (h *Handler) keep() {
	tick := time.NewTicker(emptyFor)
	defer tick.Stop()
	old := time.NewTicker(max(time.Second, min(time.Minute, h.o.Retention/10, h.o.Unused/10)))
	defer old.Stop()
	for {
		select {
		case <-h.quit:
			return
		case now := <-tick.C:
			h.forgetEmpty(now)
		case <-old.C:
			if err := h.dropOld(); err != nil {
				h.o.Logger.Error("dropping rooms", "cause", err)
			}
		}
	}
}
