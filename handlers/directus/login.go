package directus

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/tidwall/gjson"

	"sluice/auth"
	"sluice/handlers/audit"
	"sluice/handlers/httperr"
)

// session handles a request to sign in, refresh a session or sign out. It answers errors in the door's shape.
func (h *Handler) session(f func(c echo.Context, body gjson.Result) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		httperr.UseShape(c, shape)
		v, err := h.body(c)
		if err == nil {
			err = f(c, v)
		}
		if err == nil {
			return nil
		}
		return h.refuse(c, err)
	}
}

// kindUser is the kind of a user who signs in, in the audit trail.
const kindUser = "user"

// modeJSON is the only mode of a session: the client stores the tokens.
const modeJSON = "json"

// checkMode refuses the modes that need a cookie. The gateway sets none, so the session would end at the first refresh.
func checkMode(v gjson.Result) error {
	if mode := v.Get("mode"); mode.Type != gjson.Null && mode.Str != modeJSON {
		return badPayload(`mode %.20s is not supported, as the gateway sets no cookies: use "json", in the SDK authentication("json")`, mode.Raw)
	}
	return nil
}

func (h *Handler) login(c echo.Context, v gjson.Result) error {
	email, password := v.Get("email"), v.Get("password")
	if email.Type != gjson.String || strings.TrimSpace(email.Str) == "" {
		return badPayload(`the body has no "email": it must be {"email":…,"password":…}`)
	}
	if password.Type != gjson.String || password.Str == "" {
		return badPayload(`the body has no "password": it must be {"email":…,"password":…}`)
	}
	if err := checkMode(v); err != nil {
		return err
	}
	s, err := h.o.Auth.Login(c.Request().Context(), c.RealIP(), email.Str, password.Str)
	if err == nil {
		audit.Identify(c, s.User, kindUser)
	}
	return signedIn(c, s, err)
}

func (h *Handler) refresh(c echo.Context, v gjson.Result) error {
	if err := checkMode(v); err != nil {
		return err
	}
	token, err := refreshToken(v)
	if err != nil {
		return err
	}
	s, err := h.o.Auth.Refresh(c.Request().Context(), c.RealIP(), token)
	return signedIn(c, s, err)
}

func refreshToken(v gjson.Result) (string, error) {
	token := v.Get("refresh_token")
	if token.Type != gjson.String {
		return "", badPayload(`the body must have the "refresh_token"`)
	}
	return token.Str, nil
}

// signedIn answers with a session. Expires is how long the access token is valid, in milliseconds.
func signedIn(c echo.Context, s *auth.Session, err error) error {
	if err != nil {
		return err
	}
	type tokens struct {
		Access  string `json:"access_token"`
		Expires int64  `json:"expires"`
		Refresh string `json:"refresh_token"`
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(http.StatusOK, map[string]tokens{"data": {s.Access, s.TTL.Milliseconds(), s.Refresh}})
}

// logout ends a session. It also succeeds if the session has already ended.
func (h *Handler) logout(c echo.Context, v gjson.Result) error {
	token, err := refreshToken(v)
	if err != nil {
		return err
	}
	err = h.o.Auth.Logout(c.Request().Context(), token)
	switch {
	case err == nil:
		audit.Identify(c, h.o.Auth.Holder(token), kindUser)
	case !errors.Is(err, auth.ErrBadLogin):
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
