package handlers

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// slashless makes a path that ends in a slash the same as one that does not, at every door. It comes before the routes
// are looked up. One slash goes: before it, as in /db/NAME/ns//, an empty name is a name. An id that ends in a slash is
// written with %2F, and keeps it. So do the pages, whose links start from their path.
//
// It is no Pre middleware of echo's: with one, echo makes a closure for each middleware and each request.
type slashless struct{ *echo.Echo }

func (s slashless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u := r.URL
	if strings.HasSuffix(u.Path, "/") && strings.HasSuffix(u.EscapedPath(), "/") && u.Path != "/" && !strings.HasPrefix(u.Path, "/ui/") {
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	}
	s.Echo.ServeHTTP(w, r)
}
