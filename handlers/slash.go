package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/handlers/writers"
)

// slashless makes a path with a slash at its end the same as the path without it, at every door. It runs before the
// routes are looked up. It removes only one slash: in /db/NAME/ns//, the empty name before it is a name. It leaves an
// id that ends in %2F unchanged. It also leaves the pages unchanged, since their links start from their path.
//
// It is not a Pre middleware of echo: with one, echo makes a closure for each middleware and each request.
type slashless struct{ *echo.Echo }

func (s slashless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u := r.URL
	if strings.HasSuffix(u.Path, "/") && strings.HasSuffix(u.EscapedPath(), "/") && u.Path != "/" && !strings.HasPrefix(u.Path, "/ui/") {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	}
	if r.ProtoMajor < 2 {
		s.Echo.ServeHTTP(w, r)
		return
	}
	answer := &writers.Later{ResponseWriter: w}
	s.Echo.ServeHTTP(answer, r)
	answer.Serve()
}
