package traffic

import (
	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/store/share"
)

// SenderOf is who sends a request at a door, for those who look at what it stores. id is nil without a credential.
func SenderOf(c echo.Context, door string, id *auth.Identity) share.Sender {
	return Sender(door, id, c.RealIP(), c.Response().Header().Get(echo.HeaderXRequestID))
}

// Sender is SenderOf for a message of a socket.
func Sender(door string, id *auth.Identity, from, requestID string) share.Sender {
	by := share.Sender{Door: door, From: from, RequestID: requestID}
	if id != nil {
		by.Name, by.Kind = id.Name, id.Kind
	}
	return by
}
