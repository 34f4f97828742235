package driftdb

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/rooms"
)

// create answers with a new room, whose id is its secret: 130 random bits. A page gets a refusal as text: see look.
func (h *Handler) create(c echo.Context) error {
	if isFetch(c.Request()) {
		httperr.PlainText(c)
	}
	id := rand.Text()
	if err := h.make(c, id); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, h.object(c, id))
}

// makes reports whether a request for an unknown room may make it.
func (h *Handler) makes(c echo.Context, id string) bool {
	if !rooms.IsID(id) || c.Request().Method != http.MethodGet || c.Path() == connectPath && !c.IsWebSocket() {
		return false
	}
	return h.o.Create == Anybody || h.o.Create == KeysOnly && !h.carriers(c).Empty()
}

// make makes a room, if none has that id and the sender may make one more. Every new room is made here.
func (h *Handler) make(c echo.Context, id string) error {
	who, err := h.maker(c)
	if err != nil {
		return err
	}
	if !h.o.Traffic.EnterPublish() {
		return traffic.ErrDraining()
	}
	defer h.o.Traffic.LeavePublish()
	return answerTo(h.rooms.Make(context.WithoutCancel(c.Request().Context()), who, id))
}

// carriers are what a request has of credentials.
func (h *Handler) carriers(c echo.Context) auth.Carriers {
	r := c.Request()
	return auth.FromRequest(r.Header, r.URL.Query()).At(c.RealIP())
}

// maker returns who makes a room, or refuses a sender that may not. If anybody may make rooms, a sender with a credential is
// still counted by that.
func (h *Handler) maker(c echo.Context) (rooms.Maker, error) {
	r := c.Request()
	carriers := h.carriers(c)
	switch {
	case h.o.Create == Anybody && carriers.Empty():
		return rooms.Maker{Owner: peer.Owner("", c.RealIP()), Anonymous: true}, nil
	case h.o.Create != Anybody && h.o.Create != KeysOnly:
		return rooms.Maker{}, httperr.New(http.StatusForbidden, httperr.Forbidden, "rooms are off here: set ROOM_CREATE to open, or to key so that an API key can make them")
	}
	who, bad := h.o.Auth.Authenticate(carriers)
	if bad != nil {
		return rooms.Maker{}, bad
	}
	if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return rooms.Maker{}, httperr.ForeignOrigin()
	}
	return rooms.Maker{Owner: peer.Owner(who.Scope, c.RealIP())}, nil
}

// isFetch reports whether a request is made by fetch, as DriftDB's client does, which does not ask for JSON.
func isFetch(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") != "" && !strings.Contains(r.Header.Get(echo.HeaderAccept), "json")
}
