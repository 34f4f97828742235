package driftdb

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/store/eventlog"
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

// find counts somebody in, into a new room if there is none of that id and the request may make one. Clients of DriftDB
// keep the ids of rooms, and may choose them.
func (h *Handler) find(c echo.Context, id string) error {
	err := h.enter(id)
	for range 2 { // a room may be dropped in the moment that it was found
		if !errors.Is(err, errNoRoom) || !h.makes(c, id) {
			return err
		}
		if err := h.make(c, id); err != nil {
			return err
		}
		err = h.enter(id)
	}
	return err
}

// makes reports whether a request that names no room is one to make it.
func (h *Handler) makes(c echo.Context, id string) bool {
	if !isID(id) || c.Request().Method != http.MethodGet || c.Path() == connectPath && !c.IsWebSocket() {
		return false
	}
	return h.o.Create == Anybody || h.o.Create == KeysOnly && !h.carriers(c).Empty()
}

// mostID is how long an id may be.
const mostID = 128

// isID reports whether a text can be the id of a room: letters, digits, "-", "_" and, but for the first, ".". What
// JavaScript makes of a missing value is none: strangers would meet there.
func isID(text string) bool {
	if text == "" || len(text) > mostID || text[0] == '.' || text == "undefined" || text == "null" || text == "NaN" {
		return false
	}
	for _, b := range []byte(text) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return true
}

// make makes a room, if there is none of that id and the sender of a request may make one more. Whatever makes a room
// goes through here.
func (h *Handler) make(c echo.Context, id string) error {
	who, err := h.maker(c)
	if err != nil {
		return err
	}
	if !h.o.Traffic.EnterPublish() {
		return traffic.ErrDraining()
	}
	defer h.o.Traffic.LeavePublish()
	if err := h.makers.admit(who, time.Now()); err != nil {
		return err
	}
	if err := h.made.enter(h.evict); err != nil {
		h.makers.refuse(who)
		return err
	}
	defer h.made.mu.RUnlock()
	err = h.o.Broker.Log().Create(context.WithoutCancel(c.Request().Context()), space(id))
	if err != nil {
		h.makers.refuse(who)
		if !errors.Is(err, eventlog.ErrUnknown) {
			h.made.n.Add(-1)
		}
		if errors.Is(err, eventlog.ErrRow) {
			return nil // somebody else has made it
		}
		return unavailable(err)
	}
	h.makers.add(who, id)
	return nil
}

// carriers are what a request has of credentials.
func (h *Handler) carriers(c echo.Context) auth.Carriers {
	r := c.Request()
	return auth.FromRequest(r.Header, r.URL.Query()).At(c.RealIP())
}

// maker tells who wants to make a room, or refuses who may not. Where anybody may, one who sends a credential is
// counted by that.
func (h *Handler) maker(c echo.Context) (maker, error) {
	r := c.Request()
	carriers := h.carriers(c)
	switch {
	case h.o.Create == Anybody && carriers.Empty():
		return maker{peer.Owner("", c.RealIP()), true}, nil
	case h.o.Create != Anybody && h.o.Create != KeysOnly:
		return maker{}, httperr.New(http.StatusForbidden, httperr.Forbidden, "rooms are off here: set ROOM_CREATE=open, or key to make them with an API key")
	}
	who, bad := h.o.Auth.Authenticate(carriers)
	if bad != nil {
		return maker{}, bad
	}
	if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return maker{}, httperr.ForeignOrigin()
	}
	return maker{peer.Owner(who.Scope, c.RealIP()), false}, nil
}

// isFetch reports whether a request is made by fetch, as DriftDB's client does, which does not ask for JSON.
func isFetch(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") != "" && !strings.Contains(r.Header.Get(echo.HeaderAccept), "json")
}
