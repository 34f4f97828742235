package restdb

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
)

// headerOverride names the method that a POST stands for, from clients that can send GET and POST only.
const headerOverride = "X-HTTP-Method-Override"

// servePost serves a POST as the method that it stands for. The sender needs the permissions of that method.
func (h *Handler) servePost(methods map[string]action) echo.HandlerFunc {
	allow := strings.Join(append([]string{http.MethodOptions}, slices.Sorted(maps.Keys(methods))...), ", ")
	return func(c echo.Context) error {
		method := strings.ToUpper(strings.TrimSpace(c.Request().Header.Get(headerOverride)))
		switch method {
		case "":
			method = http.MethodPost
		case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		default:
			return httperr.New(http.StatusBadRequest, httperr.BadParameter, "%s of a POST is %.20q: it is PUT, PATCH or DELETE", headerOverride, method)
		}
		f := methods[method]
		if f == nil {
			c.Response().Header().Set(echo.HeaderAllow, allow)
			return echo.ErrMethodNotAllowed
		}
		return h.authenticated(method, f)(c)
	}
}
