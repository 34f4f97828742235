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

// create makes a room and answers with it. The id is the room's secret, of 130 random bits. A page gets a refusal as plain
// text, for the reason that getRoom gives.
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
	return h.o.Create == Anybody || h.o.Create == KeysOnly && !h.o.Auth.Anonymous(h.carriers(c))
}

// make makes a room, if no room has that id and the sender may make one more. All new rooms are made here.
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

// carriers returns the credentials of a request.
func (h *Handler) carriers(c echo.Context) auth.Carriers {
	r := c.Request()
	return h.o.Auth.Carriers(r, r.URL.Query(), c.RealIP())
}

// maker returns the maker of a room, or refuses a sender that may not make one. If anybody may make rooms, the rooms of a
// sender with a credential still count for that credential.
func (h *Handler) maker(c echo.Context) (rooms.Maker, error) {
	r := c.Request()
	carriers := h.carriers(c)
	carriers.Change = true // a GET makes a room too
	switch {
	case h.o.Create == Anybody && carriers.Empty():
		return anonymous(c), nil
	case h.o.Create != Anybody && h.o.Create != KeysOnly:
		return rooms.Maker{}, httperr.New(http.StatusForbidden, httperr.Forbidden, "rooms are off here: set ROOM_CREATE to open, or to key so that an API key can make them")
	}
	who, bad := h.o.Auth.Authenticate(r.Context(), carriers)
	switch {
	case bad != nil && bad.Code == auth.CookieOrigin && h.o.Create == Anybody: // the page may make a room, but not for the user of its browser
		return anonymous(c), nil
	case bad != nil:
		return rooms.Maker{}, bad
	}
	if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return rooms.Maker{}, httperr.ForeignOrigin()
	}
	return rooms.Maker{Owner: peer.Owner(who.Scope, c.RealIP())}, nil
}

// anonymous is the maker of a room whose sender has no credential.
func anonymous(c echo.Context) rooms.Maker {
	return rooms.Maker{Owner: peer.Owner("", c.RealIP()), Anonymous: true}
}

// isFetch reports whether a page's fetch made the request without asking for JSON, as DriftDB's client does.
func isFetch(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") != "" && !strings.Contains(r.Header.Get(echo.HeaderAccept), "json")
}
