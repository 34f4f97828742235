package admin

import (
	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/audit"
)

// reader is who reads the audit trail, which nothing but this grants.
var reader = &auth.Identity{Name: audit.KindAdmin, Kind: audit.KindAdmin, Scope: audit.KindAdmin, Sub: audit.Channels()}

// trail tells the audit trail, with the parameters of history.
func (h *Handler) trail(c echo.Context) error { return h.o.History(c, reader) }
