package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// headsOfGets notes the routes for GET from now on. What it returns adds a route for HEAD beside each of them: RFC 9110
// 9.1 has every server take both. The handler answers as for GET, and net/http leaves out the body; those of streams
// end with the header.
func headsOfGets(e *echo.Echo) (add func()) {
	gets := map[string]echo.HandlerFunc{}
	e.OnAddRouteHandler = func(_ string, r echo.Route, answer echo.HandlerFunc, _ []echo.MiddlewareFunc) {
		if r.Method == http.MethodGet {
			gets[r.Path] = answer
		}
	}
	return func() {
		e.OnAddRouteHandler = nil
		for path, answer := range gets {
			e.HEAD(path, answer)
		}
	}
}
