package admin

import (
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/auth/version"
)

// setVersion sends the version of the answer as its ETag; "" sends none.
func setVersion(c echo.Context, version string) {
	if version != "" {
		c.Response().Header().Set("ETag", `"`+version+`"`)
	}
}

// ifMatch is the condition of a request's If-Match (RFC 9110, 13.1.1), nil where there is none. Tags are compared as 8.8.3.2
// says, strongly: a weak one matches nothing.
func ifMatch(c echo.Context) version.Match {
	values := c.Request().Header.Values("If-Match")
	if len(values) == 0 {
		return nil
	}
	tags := map[string]bool{}
	for _, tag := range strings.Split(strings.Join(values, ","), ",") { // no version has a comma
		tags[strings.TrimSpace(tag)] = true
	}
	return func(version string) bool { return tags["*"] || tags[`"`+version+`"`] }
}
