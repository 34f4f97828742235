package driftdb

import (
	"errors"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
	"sluice/store/rooms"
)

// answerTo converts an error of package rooms, a refusal or an error of the log, to the answer for the client.
func answerTo(err error) error {
	if err == nil {
		return nil
	}
	return httperr.OfLog(err)
}

// enter adds a client to the room's count, if the room exists.
func (h *Handler) enter(c echo.Context, id string) error {
	return answerTo(h.rooms.Enter(c.Request().Context(), id))
}

// find adds a client to the room's count. If the room does not exist and the request may make it, find makes the room. The
// reason is that DriftDB's clients store the ids of rooms, and may choose them.
func (h *Handler) find(c echo.Context, id string) error {
	err := h.rooms.Enter(c.Request().Context(), id)
	for range 2 { // the room may be dropped between Make and Enter
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

// join is find, and adds a connection to the room's count.
func (h *Handler) join(c echo.Context, id string) error {
	if err := h.find(c, id); err != nil {
		return err
	}
	return answerTo(h.rooms.Connect(id))
}
