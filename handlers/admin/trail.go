package admin

import (
	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/audit"
)

// reader is the identity that may read the audit trail. Nothing else grants this.
var reader = &auth.Identity{Name: audit.KindAdmin, Kind: audit.KindAdmin, Scope: audit.KindAdmin, Sub: audit.Channels()}

// trail answers with the audit trail, and accepts the parameters of history.
func (h *Handler) trail(c echo.Context) error { return h.o.History(c, reader) }
