package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// headsOfGets collects the GET routes that are added from now on. The function that it returns adds HEAD to those
// without it, since RFC 9110 9.1 requires every server to support both. The handler answers as for GET, and net/http
// leaves out the body. Handlers of streams end after the header.
func headsOfGets(e *echo.Echo) (add func()) {
	gets, heads := map[string]echo.HandlerFunc{}, map[string]bool{}
	e.OnAddRouteHandler = func(_ string, r echo.Route, answer echo.HandlerFunc, _ []echo.MiddlewareFunc) {
		switch r.Method {
		case http.MethodGet:
			gets[r.Path] = answer
		case http.MethodHead:
			heads[r.Path] = true
		}
	}
	return func() {
		e.OnAddRouteHandler = nil
		for path, answer := range gets {
			if !heads[path] {
				e.HEAD(path, answer)
			}
		}
	}
}
