package admin

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/user"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
)

// userChange is a user as the API takes it.
type userChange struct {
	Password *string   `json:"password"`
	Sub      *[]string `json:"sub"`
	Pub      *[]string `json:"pub"`
	Rest     *[]string `json:"rest"`
	Active   *bool     `json:"active"`
}

func (c *userChange) of() user.Change {
	return user.Change{Password: c.Password, Sub: c.Sub, Pub: c.Pub, Rest: c.Rest, Active: c.Active}
}

// email is that of the path.
func email(c echo.Context) string {
	raw := c.Param("email")
	if c.Request().URL.RawPath == "" {
		return raw
	}
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}

// userRefusal is an error of the users as an answer.
func userRefusal(err error) error {
	switch {
	case errors.Is(err, user.ErrUnknown):
		return httperr.New(http.StatusNotFound, httperr.NotFound, "%v", err)
	case errors.Is(err, user.ErrTaken):
		return httperr.New(http.StatusConflict, httperr.UserExists, "%v; change it with PATCH /admin/users/EMAIL", err)
	case errors.Is(err, user.ErrInvalid), errors.Is(err, user.ErrTooMany):
		return httperr.New(http.StatusBadRequest, httperr.BadUser, "%v", err)
	case errors.Is(err, auth.ErrBusy):
		return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "%v", err).After(2 * time.Second)
	}
	return httperr.OfLog(err)
}

func (h *Handler) listUsers(c echo.Context) error {
	all := h.o.Auth.Users().All()
	c.Response().Header().Set(totalCount, strconv.Itoa(len(all)))
	return c.JSON(http.StatusOK, all)
}

func (h *Handler) getUser(c echo.Context) error {
	u, err := h.o.Auth.Users().Get(email(c))
	if err != nil {
		return userRefusal(err)
	}
	return c.JSON(http.StatusOK, u)
}

func (h *Handler) addUser(c echo.Context) error {
	var body struct {
		Email string `json:"email"`
		userChange
	}
	if err := h.read(c, &body); err != nil {
		return err
	}
	u, err := h.o.Auth.Users().Add(c.Request().Context(), body.Email, body.of())
	if err != nil {
		return userRefusal(err)
	}
	audit.Target(c, u.Email)
	return c.JSON(http.StatusCreated, u)
}

func (h *Handler) changeUser(c echo.Context) error {
	var body userChange
	if err := h.read(c, &body); err != nil {
		return err
	}
	u, err := h.o.Auth.Users().Change(c.Request().Context(), email(c), body.of())
	if err != nil {
		return userRefusal(err)
	}
	return c.JSON(http.StatusOK, u)
}

func (h *Handler) removeUser(c echo.Context) error {
	if err := h.o.Auth.Users().Remove(c.Request().Context(), email(c)); err != nil {
		return userRefusal(err)
	}
	return c.NoContent(http.StatusNoContent)
}
