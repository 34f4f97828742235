package admin

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
	"sluice/handlers/idempotency"
)

// change is the body that makes or changes a key. Raw fields distinguish null from an absent field.
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

// orderOfKey sorts as auth.Keys does: keys of the settings first, then by name.
func orderOfKey(k *auth.KeyInfo) string {
	if k.ReadOnly {
		return "0" + k.Name + k.ID
	}
	return "1" + k.Name + k.ID
}

func (h *Handler) listKeys(c echo.Context) error {
	q, err := pageOf(c, 0)
	if err != nil {
		return err
	}
	keys := h.o.Auth.Keys()
	total := len(keys)
	keys = slices.DeleteFunc(keys, func(k auth.KeyInfo) bool {
		return !q.in(k.Name, k.ID) && !q.in(k.Sub...) && !q.in(k.Pub...) && !q.in(k.Rest...) && !q.in(k.Origins...)
	})
	return c.JSON(http.StatusOK, cut(c, q, total, keys, orderOfKey))
}

func (h *Handler) getKey(c echo.Context) error {
	info, err := h.o.Auth.Key(c.Request().Context(), c.Param("id"))
	if err != nil {
		return refusal(err)
	}
	setVersion(c, info.Version)
	return c.JSON(http.StatusOK, info)
}

func (h *Handler) createKey(c echo.Context) error {
	once, err := idempotency.Key(c.Request().Header)
	if err != nil {
		return err
	}
	var body change
	text, err := h.read(c, &body)
	if err != nil {
		return err
	}
	k, err := body.of()
	if err != nil {
		return err
	}
	var info auth.KeyInfo
	var key string
	var again bool
	if once == "" {
		info, key, err = h.o.Auth.CreateKey(c.Request().Context(), k)
	} else {
		info, key, again, err = h.o.Auth.CreateKeyOnce(c.Request().Context(), auth.Once{Key: once, Body: sha256.Sum256(text)}, k)
	}
	if err != nil {
		return refusal(err)
	}
	audit.Target(c, info.ID)
	audit.Detail(c, info.Name)
	if again {
		audit.Detail(c, info.Name+", shown again")
		c.Response().Header().Set(idempotency.Replay, "true")
	}
	setVersion(c, info.Version)
	return c.JSON(http.StatusCreated, struct {
		auth.KeyInfo
		Key string `json:"key"`
	}{info, key})
}

func (h *Handler) updateKey(c echo.Context) error {
	var body change
	if _, err := h.read(c, &body); err != nil {
		return err
	}
	k, err := body.of()
	if err != nil {
		return err
	}
	k.Match = ifMatch(c)
	info, err := h.o.Auth.UpdateKey(c.Request().Context(), c.Param("id"), k)
	if err != nil {
		return refusal(err)
	}
	setVersion(c, info.Version)
	return c.JSON(http.StatusOK, info)
}

func (h *Handler) deleteKey(c echo.Context) error {
	if err := h.o.Auth.DeleteKeyIf(c.Request().Context(), c.Param("id"), ifMatch(c)); err != nil {
		return refusal(err)
	}
	return c.NoContent(http.StatusNoContent)
}
