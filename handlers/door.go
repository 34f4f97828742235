package handlers

import (
	"github.com/labstack/echo/v4"

	"sluice/handlers/cors"
)

// Door is one way to use the gateway, in a folder of its own. The package gateway opens it.
type Door interface {
	// Register adds its routes.
	Register(e *echo.Echo)
	// CORS returns what pages of other origins may do at the door; nil: nothing.
	CORS() []cors.Rule
	// Close ends what the door's constructor began.
	Close() error
}

// rulesOf collects the CORS rules of the doors.
func rulesOf(doors []Door) (all []cors.Rule) {
	for _, d := range doors {
		all = append(all, d.CORS()...)
	}
	return all
}
