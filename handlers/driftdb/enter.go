package driftdb

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
	"sluice/store/rooms"
)

var errNoRoom = httperr.New(http.StatusNotFound, httperr.NotFound, "there is no such room, or no more: POST /new makes one")

// refusals are the answers for each rooms.Reason.
var refusals = map[rooms.Reason]struct {
	status int
	code   string
}{
	rooms.Full:       {http.StatusTooManyRequests, httperr.TooManyPerRoom},
	rooms.TooMany:    {http.StatusServiceUnavailable, httperr.TooManyRooms},
	rooms.TooManyOwn: {http.StatusTooManyRequests, httperr.TooManyRoomsOf},
	rooms.TooFast:    {http.StatusTooManyRequests, httperr.RateLimited},
}

// refusal is the answer to what the rooms refused; nil where the error is another.
func refusal(err error) *httperr.Error {
	var r *rooms.Refusal
	switch {
	case errors.Is(err, rooms.ErrNoRoom):
		return errNoRoom
	case errors.As(err, &r):
		to := refusals[r.Reason]
		return httperr.New(to.status, to.code, "%s", r.Message).After(r.Wait)
	}
	return nil
}

// answerTo is the answer to an error of the rooms: to a refusal, or else to the log's.
func answerTo(err error) error {
	if err == nil {
		return nil
	}
	if e := refusal(err); e != nil {
		return e
	}
	return httperr.OfLog(err)
}

// enter counts somebody in, if there is such a room.
func (h *Handler) enter(id string) error { return answerTo(h.rooms.Enter(id)) }

// find counts somebody in, into a new room if there is none of that id and the request may make one. Clients of DriftDB
// keep the ids of rooms, and may choose them.
func (h *Handler) find(c echo.Context, id string) error {
	err := h.rooms.Enter(id)
	for range 2 { // a room may be dropped in the moment that it was found
		if !errors.Is(err, rooms.ErrNoRoom) || !h.makes(c, id) {
			break
		}
		if err := h.make(c, id); err != nil {
			return err
		}
		err = h.rooms.Enter(id)
	}
	return answerTo(err)
}

// join counts a connection in.
func (h *Handler) join(c echo.Context, id string) error {
	if err := h.find(c, id); err != nil {
		return err
	}
	return answerTo(h.rooms.Connect(id))
}
