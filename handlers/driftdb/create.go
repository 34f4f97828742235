package driftdb

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker/eventlog"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
)

// create answers with a new room, whose id is its secret: 130 random bits.
func (h *Handler) create(c echo.Context) error {
	id := rand.Text()
	if err := h.make(c, id); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, h.object(c, id))
}

// make makes a room with an id that no room has, if the sender of a request may make one more. Whatever makes a room
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
		return unavailable(err)
	}
	h.makers.add(who, id)
	return nil
}

// maker tells who wants to make a room, or refuses who may not. Where anybody may, one who sends a credential is
// counted by that.
func (h *Handler) maker(c echo.Context) (maker, error) {
	r := c.Request()
	carriers := auth.FromRequest(r.Header, r.URL.Query()).At(c.RealIP())
	switch {
	case h.o.Create == Anybody && carriers.Empty():
		return maker{peer.Owner("", c.RealIP()), true}, nil
	case h.o.Create != Anybody && h.o.Create != KeysOnly:
		return maker{}, httperr.New(http.StatusForbidden, httperr.Forbidden, "rooms are off here: set ROOM_CREATE=open, or key to make them with an API key")
	}
	who, bad := h.o.Auth.Authenticate(carriers)
	if bad != nil {
		return maker{}, httperr.OfAuth(bad)
	}
	if !who.OriginAllowed(r.Header.Get(echo.HeaderOrigin)) {
		return maker{}, httperr.New(http.StatusForbidden, httperr.OriginNotAllowed, "this key may not be used from this Origin; add it to the key's origins")
	}
	return maker{peer.Owner(who.Scope, c.RealIP()), false}, nil
}
