package driftdb

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"sluice/store/rooms"
)

// presence answers with the clients that are in the room now, by the key of the request, or by the usual key of presence.
func (h *Handler) presence(c echo.Context) error {
	id := c.Param("room")
	if err := h.enter(c, id); err != nil {
		return err
	}
	defer h.rooms.Leave(id)
	key := rooms.PresenceKey
	if query := c.QueryParams(); query.Has("key") {
		key = query.Get("key")
	}
	list := h.rooms.Present(id, key)
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, list)
}
