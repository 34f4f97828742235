package handlers

import (
	"time"

	"github.com/labstack/echo/v4"
)

// deadliner is what http.Server's ResponseWriter for HTTP/1 is, too.
type deadliner interface{ SetReadDeadline(time.Time) error }

// boundUnread bounds the time in which a body must arrive that no handler reads. http.Server reads the rest of a body
// before it answers, so that the connection can be used again. Without a deadline, a client that announces a body and never
// sends it would hold its connection for ever. A handler that reads the body sets a deadline of its own.
//
// HTTP/2 needs none: it ends the stream of a request whose body nobody has read.
func boundUnread(limit time.Duration) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if r := c.Request(); r.ContentLength != 0 && r.ProtoMajor < 2 {
				// http.ResponseController would take an allocation for each publish.
				if err := c.Response().Writer.(deadliner).SetReadDeadline(time.Now().Add(limit)); err != nil {
					return err
				}
			}
			return next(c)
		}
	}
}
