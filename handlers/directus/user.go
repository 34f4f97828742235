package directus

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/tidwall/gjson"

	"sluice/handlers/httperr"
)

// ping answers a client that checks if the gateway is there.
func (h *Handler) ping(c echo.Context) error { return c.String(http.StatusOK, "pong") }

// me answers with the caller: a user by id and email, a key or token by its name.
func (h *Handler) me(c *call) error {
	if c.who == nil {
		return httperr.New(http.StatusUnauthorized, codeCredentials, "no credential: send an API key or a token as Authorization: Bearer")
	}
	q, err := c.query()
	if err != nil {
		return err
	}
	id, isUser := strings.CutPrefix(c.who.Scope, "user\x00")
	name := "first_name"
	if isUser {
		name = "email"
	} else {
		id = c.who.Name
	}
	text := gjson.AppendJSONString([]byte(`{"_id":`), id)
	text = gjson.AppendJSONString(append(text, `,"`+name+`":`...), c.who.Name)
	return c.answer(&found{data: q.show(nil, append(text, '}'))})
}
