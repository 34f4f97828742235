package handlers

import (
	"github.com/labstack/echo/v4"

	"sluice/handlers/cors"
	"sluice/handlers/traffic"
)

// Door is one way to use the gateway, in a folder of its own. The package gateway opens it.
type Door interface {
	// Name is the door's name in metrics, the log and the audit trail.
	Name() string
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

// register adds the routes of the doors, and notes in names which paths are whose.
func register(e *echo.Echo, doors []Door, names traffic.Doors) {
	for _, d := range doors {
		d.Register(e)
		for _, r := range e.Routes() { // Add leaves the routes of the doors before this one as they are
			names.Add(r.Path, d.Name())
		}
	}
}
