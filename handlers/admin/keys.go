package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker/eventlog"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
)

// change is a key as the API takes it. Raw fields tell null from nothing.
type change struct {
	Name    *string         `json:"name"`
	Sub     *[]string       `json:"sub"`
	Pub     *[]string       `json:"pub"`
	Rest    *[]string       `json:"rest"`
	Origins *[]string       `json:"origins"`
	Rate    *float64        `json:"rate"`
	Frames  *string         `json:"frames"`
	Expires json.RawMessage `json:"expires"`
}

func (c *change) of() (auth.KeyChange, error) {
	k := auth.KeyChange{Name: c.Name, Sub: c.Sub, Pub: c.Pub, Rest: c.Rest, Origins: c.Origins, Rate: c.Rate, Frames: c.Frames}
	if c.Expires == nil {
		return k, nil
	}
	var at *time.Time
	if string(c.Expires) != "null" && string(c.Expires) != `""` && json.Unmarshal(c.Expires, &at) != nil {
		return k, httperr.New(http.StatusBadRequest, httperr.BadKey, "expires must be an RFC 3339 time like 2027-01-01T00:00:00Z, or null")
	}
	k.Expires = &at
	return k, nil
}

// refusal is an error of auth as an answer.
func refusal(err error) error {
	switch {
	case errors.Is(err, auth.ErrNoKey):
		return httperr.New(http.StatusNotFound, httperr.NotFound, "%v", err)
	case errors.Is(err, auth.ErrReadOnly):
		return httperr.New(http.StatusConflict, httperr.ReadOnly, "%v", err)
	case errors.Is(err, auth.ErrBadKey), errors.Is(err, auth.ErrTooManyKeys):
		return httperr.New(http.StatusBadRequest, httperr.BadKey, "%v", err)
	case errors.Is(err, auth.ErrRevocation), errors.Is(err, auth.ErrTooManyRevoked):
		return httperr.New(http.StatusBadRequest, httperr.BadRevocation, "%v", err)
	}
	return httperr.OfLog(err)
}

func (h *Handler) listKeys(c echo.Context) error {
	keys := h.o.Auth.Keys()
	c.Response().Header().Set(totalCount, strconv.Itoa(len(keys)))
	return c.JSON(http.StatusOK, keys)
}

func (h *Handler) getKey(c echo.Context) error {
	info, err := h.o.Auth.Key(c.Param("id"))
	if err != nil {
		return refusal(err)
	}
	return c.JSON(http.StatusOK, info)
}

func (h *Handler) createKey(c echo.Context) error {
	var body change
	if err := h.read(c, &body); err != nil {
		return err
	}
	k, err := body.of()
	if err != nil {
		return err
	}
	info, key, err := h.o.Auth.CreateKey(c.Request().Context(), k)
	if err != nil {
		return refusal(err)
	}
	audit.Target(c, info.ID)
	audit.Detail(c, info.Name)
	return c.JSON(http.StatusCreated, struct {
		auth.KeyInfo
		Key string `json:"key"`
	}{info, key})
}

func (h *Handler) updateKey(c echo.Context) error {
	var body change
	if err := h.read(c, &body); err != nil {
		return err
	}
	k, err := body.of()
	if err != nil {
		return err
	}
	info, err := h.o.Auth.UpdateKey(c.Request().Context(), c.Param("id"), k)
	if err != nil {
		return refusal(err)
	}
	return c.JSON(http.StatusOK, info)
}

func (h *Handler) deleteKey(c echo.Context) error {
	if err := h.o.Auth.DeleteKey(c.Request().Context(), c.Param("id")); err != nil {
		return refusal(err)
	}
	return c.NoContent(http.StatusNoContent)
}

func (h *Handler) revoke(c echo.Context) error {
	var v auth.Revocation
	if err := h.read(c, &v); err != nil {
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

func (h *Handler) backup(c echo.Context) error {
	path, err := h.o.Backup()
	if err != nil {
		if eventlog.DiskFull(err) {
			return httperr.OfLog(err)
		}
		return httperr.New(http.StatusServiceUnavailable, httperr.Unavailable, "no backup was made: %v", err).Because(err)
	}
	audit.Target(c, path)
	return c.JSON(http.StatusCreated, map[string]string{"path": path})
}
