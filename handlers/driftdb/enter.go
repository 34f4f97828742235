package driftdb

import (
	"errors"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
	"sluice/store/rooms"
)

// answerTo is the answer to an error of the rooms, which is a refusal or the log's.
func answerTo(err error) error {
	if err == nil {
		return nil
	}
	return httperr.OfLog(err)
}

// enter counts a client in, if the room exists.
func (h *Handler) enter(c echo.Context, id string) error {
	return answerTo(h.rooms.Enter(c.Request().Context(), id))
}

// find counts a client in. If no room has that id and the request may make one, it makes the room: DriftDB's clients store
// ids of rooms, and may choose them.
func (h *Handler) find(c echo.Context, id string) error {
	err := h.rooms.Enter(c.Request().Context(), id)
	for range 2 { // a room may be dropped in the moment that it was found
		if !errors.Is(err, rooms.ErrNoRoom) || !h.makes(c, id) {
			break
		}
		if err := h.make(c, id); err != nil {
			return err
		}
		err = h.rooms.Enter(c.Request().Context(), id)
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
