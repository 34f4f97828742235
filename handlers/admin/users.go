package admin

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"sluice/auth/user"
	"sluice/handlers/audit"
	"sluice/handlers/pathparam"
)

// userChange is the body that makes or changes a user.
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

// userAnswer is a user in an answer.
type userAnswer struct {
	*user.User
	Version string `json:"version"`
}

func answerUser(u *user.User) userAnswer { return userAnswer{u, u.Revision()} }

func (h *Handler) listUsers(c echo.Context) error {
	q, err := pageOf(c, 0)
	if err != nil {
		return err
	}
	all := h.o.Auth.Users().All()
	total := len(all)
	all = slices.DeleteFunc(all, func(u *user.User) bool {
		return !q.in(u.Email) && !q.in(u.Sub...) && !q.in(u.Pub...) && !q.in(u.Rest...)
	})
	page := cut(c, q, total, all, func(u **user.User) string { return (*u).Email })
	list := make([]userAnswer, 0, len(page))
	for _, u := range page {
		list = append(list, answerUser(u))
	}
	return c.JSON(http.StatusOK, list)
}

func (h *Handler) getUser(c echo.Context) error {
	u, err := h.o.Auth.Users().Get(c.Request().Context(), pathparam.Get(c, "email"))
	if err != nil {
		return refusal(err)
	}
	setVersion(c, u.Revision())
	return c.JSON(http.StatusOK, answerUser(u))
}

func (h *Handler) addUser(c echo.Context) error {
	var body struct {
		Email string `json:"email"`
		userChange
	}
	if _, err := h.read(c, &body); err != nil {
		return err
	}
	u, err := h.o.Auth.Users().Add(c.Request().Context(), body.Email, body.of())
	if err != nil {
		return refusal(err)
	}
	audit.Target(c, u.Email)
	setVersion(c, u.Revision())
	return c.JSON(http.StatusCreated, answerUser(u))
}

func (h *Handler) changeUser(c echo.Context) error {
	var body userChange
	if _, err := h.read(c, &body); err != nil {
		return err
	}
	change := body.of()
	change.Match = ifMatch(c)
	u, err := h.o.Auth.Users().Change(c.Request().Context(), pathparam.Get(c, "email"), change)
	if err != nil {
		return refusal(err)
	}
	setVersion(c, u.Revision())
	return c.JSON(http.StatusOK, answerUser(u))
}

func (h *Handler) removeUser(c echo.Context) error {
	if err := h.o.Auth.Users().RemoveIf(c.Request().Context(), pathparam.Get(c, "email"), ifMatch(c)); err != nil {
		return refusal(err)
	}
	return c.NoContent(http.StatusNoContent)
}
