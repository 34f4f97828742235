package handlers

import (
	"strings"

	"github.com/labstack/echo/v4"
)

// slashless makes a path that ends in a slash the same as one that does not, at every door. It comes before the routes
// are looked up. One slash goes: before it, as in /db/NAME/ns//, an empty name is a name. An id that ends in a slash is
// written with %2F, and keeps it. So do the pages, whose links start from their path.
func slashless(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if strings.HasSuffix(u.Path, "/") && strings.HasSuffix(u.EscapedPath(), "/") && u.Path != "/" && !strings.HasPrefix(u.Path, "/ui/") {
			u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
		}
		return next(c)
	}
}
