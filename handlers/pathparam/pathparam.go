// Package pathparam reads the parameters of a request's path.
package pathparam

import (
	"net/url"

	"github.com/labstack/echo/v4"
)

// Get returns a parameter of the path, decoded. echo's own Param leaves it encoded if the path came in an unusual encoding,
// such as %3A for a colon. A client that does not encode its names gets them as they are.
func Get(c echo.Context, name string) string {
	return decode(c, c.Param(name))
}

// All returns all parameters of the path, decoded, in the order of the route.
func All(c echo.Context) []string {
	all := append([]string{}, c.ParamValues()...)
	for i, v := range all {
		all[i] = decode(c, v)
	}
	return all
}

func decode(c echo.Context, raw string) string {
	if c.Request().URL.RawPath == "" { // echo has matched the decoded path
		return raw
	}
	if text, err := url.PathUnescape(raw); err == nil {
		return text
	}
	return raw
}
