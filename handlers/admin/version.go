package admin

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/auth/user"
	"sluice/auth/version"
	"sluice/handlers/httperr"
)

// setVersion tells the version of what is answered as its ETag; "" tells nothing.
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

// mismatch is an error of a change that was meant for another version as an answer, nil for others.
func mismatch(err error) error {
	var changed *version.ChangedError
	if !errors.As(err, &changed) {
		return nil
	}
	e := httperr.New(http.StatusPreconditionFailed, httperr.VersionMismatch, "it has changed meanwhile, and is as current says; nothing was done")
	e.Current = changed.Now
	if u, ok := changed.Now.(*user.User); ok {
		e.Current = told(u)
	}
	return e
}
