package realtime

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/store/syntax"
)

// mint makes a short-lived token for one browser, with a part of what an API key may do.
func (h *Handler) mint(c echo.Context) error {
	id, _, err := h.identify(c)
	if err != nil {
		return err
	}
	text, err := h.readJSON(c, id)
	if err != nil {
		return err
	}
	var asked auth.Asked
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if d.Decode(&asked) != nil {
		return httperr.New(http.StatusBadRequest, httperr.BadJSON, `the body must be like {"sub":["inbox-42"],"pub":[],"ttl":"10m"}`)
	}
	ttl, err := asked.Life()
	if err != nil {
		return err
	}
	token, expires, err := h.o.Auth.Mint(id, asked.Lists, ttl)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, map[string]string{"token": token, "expires": expires.UTC().Format(time.RFC3339)})
}

// readJSON reads the body of a request that takes one JSON value.
func (h *Handler) readJSON(c echo.Context, id *auth.Identity) ([]byte, error) {
	if ndjson, bad := contentType(c.Request().Header); bad != nil || ndjson {
		return nil, httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedMediaType, "send Content-Type: application/json")
	}
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Owner: id.Scope})
	if err != nil {
		return nil, err
	}
	if over := id.Over(time.Now()); over != nil {
		return nil, over
	}
	if !body.FormIsJSON(c.Request().Header, text) {
		return nil, httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedMediaType, "send Content-Type: application/json; %s", body.FormFault(text))
	}
	if !json.Valid(text) {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadJSON, "the body is not JSON: %s", syntax.ExplainJSON(text))
	}
	return text, nil
}
