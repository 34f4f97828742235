package admin

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/audit"
)

// mint makes a token that grants a part of what a key does. The administrator does not need the key for it.
func (h *Handler) mint(c echo.Context) error {
	var asked auth.Asked
	if _, err := h.read(c, &asked); err != nil {
		return err
	}
	ttl, err := asked.Life()
	if err != nil {
		return refusal(err)
	}
	token, expires, err := h.o.Auth.MintFor(c.Request().Context(), c.Param("id"), asked.Lists, ttl)
	if err != nil {
		return refusal(err)
	}
	return c.JSON(http.StatusCreated, map[string]string{"token": token, "expires": expires.UTC().Format(time.RFC3339)})
}

func (h *Handler) revoke(c echo.Context) error {
	var v auth.Revocation
	if _, err := h.read(c, &v); err != nil {
		return err
	}
	if err := h.o.Auth.Revoke(c.Request().Context(), v); err != nil {
		return refusal(err)
	}
	if v.JTI != "" {
		audit.Target(c, "jti "+v.JTI)
	} else {
		audit.Target(c, "subject "+v.Subject)
	}
	return c.JSON(http.StatusCreated, v)
}

// listRevocations keeps no more than a page of the revocations, of which there may be a million.
func (h *Handler) listRevocations(c echo.Context) error {
	q, err := pageOf(c, maxListed)
	if err != nil {
		return err
	}
	h.listing.Lock() // one at a time, since each reads all of them
	defer h.listing.Unlock()
	list := []auth.RevocationInfo{}
	total, matching, last := 0, 0, ""
	more := false
	err = h.o.Auth.Revocations(c.Request().Context(), func(i *auth.RevocationInfo) {
		total++
		if !q.in(i.JTI, i.Subject) {
			return
		}
		matching++
		switch {
		case i.SortKey() <= q.after:
		case len(list) == q.limit:
			more = true
		default:
			list = append(list, *i)
			last = i.SortKey()
		}
	})
	if err != nil {
		return refusal(err)
	}
	if !more {
		last = ""
	}
	setPage(c, q, total, matching, last)
	return c.JSON(http.StatusOK, list)
}
