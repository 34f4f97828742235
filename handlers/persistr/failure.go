package persistr

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/httperr"
	"sluice/handlers/writers"
)

// Names of errors in feeds. Other calls are answered with the message alone.
const (
	nameBad           = "BadRequest"
	nameForbidden     = "Forbidden"
	nameCredentials   = "InvalidCredentials"
	nameTooMany       = "TooManyRequests"
	nameUnavailable   = "ServiceUnavailable"
	nameInternal      = "InternalError"
	nameFull          = "DatabaseFull"
	nameTooLarge      = "TooLarge"
	nameTooManyFeeds  = "TooManyFeeds"
	nameNotAcceptable = "NotAcceptable"
	nameExpired       = "EventsExpired"
)

func bad(format string, args ...any) *httperr.Error {
	return httperr.New(http.StatusBadRequest, nameBad, format, args...)
}

func forbidden(format string, args ...any) *httperr.Error {
	return httperr.New(http.StatusForbidden, nameForbidden, format, args...)
}

// unauthorized refuses a name and a password.
func unauthorized(format string, args ...any) *httperr.Error {
	return httperr.New(http.StatusUnauthorized, httperr.BadLogin, format, args...)
}

// names are Persistr's names for the gateway's codes. A code without a name here stays as it is.
var names = map[string]string{
	auth.AmbiguousCredential: nameCredentials,
	auth.TooManyTries:        nameTooMany,
	auth.KeysUnavailable:     nameUnavailable,
	auth.ApplicationRefused:  nameForbidden, // with 403
	httperr.OriginNotAllowed: nameForbidden,
	auth.CookieOrigin:        nameForbidden,
	httperr.Forbidden:        nameForbidden,
	httperr.RateLimited:      nameTooMany,
	httperr.DatabaseFull:     nameFull,
	httperr.TooManySignIns:   nameUnavailable,
	httperr.Busy:             nameUnavailable,
	httperr.Draining:         nameUnavailable,
	httperr.DiskFull:         nameUnavailable,
	httperr.Unavailable:      nameUnavailable,
	httperr.UnknownOutcome:   nameUnavailable,
}

// wire returns the name and the message of an error as Persistr's clients know it.
func wire(e *httperr.Error) (name, message string) {
	switch {
	case e.Status == http.StatusUnauthorized:
		return nameCredentials, e.Message
	case e.Code == httperr.Internal: // as Persistr says it
		return nameInternal, "Internal service error"
	}
	return cmp.Or(names[e.Code], e.Code), e.Message
}

// shape is {"error":…}.
func shape(e *httperr.Error) (status int, body any) {
	_, message := wire(e)
	return e.Status, map[string]string{"error": message}
}

// refuse answers a call.
func (h *Handler) refuse(c echo.Context, err error) error {
	return httperr.Respond(c, h.o.Logger, err, shape)
}

// fail answers with an error in a feed, since the client crashes on a status other than 200.
func (h *Handler) fail(c echo.Context, err error) error {
	e := httperr.From(err)
	httperr.LogRequest(h.o.Logger, c, e)
	httperr.Note(c, e.Status, e)
	writers.SetHeaders(c, writers.EventStream, false)
	c.Response().WriteHeader(http.StatusOK)
	if _, err := c.Response().Write(appendFailure([]byte(retry), e)); err != nil {
		h.o.Logger.Debug("writing a failure", "cause", err)
	}
	return nil
}

// appendFailure appends the frame with which the client ends a feed with an error.
func appendFailure(dst []byte, e *httperr.Error) []byte {
	name, message := wire(e)
	text, err := json.Marshal(map[string]any{"message": message, "name": name, "status": e.Status})
	if err != nil {
		return dst // texts and numbers always can
	}
	dst = append(dst, "event: error\ndata: "...)
	dst = append(dst, text...)
	return append(dst, "\n\n"...)
}
