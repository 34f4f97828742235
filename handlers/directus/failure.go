package directus

import (
	"cmp"
	"net/http"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/handlers/httperr"
)

// Codes of errors, in Directus' words: its SDK and pages act on them.
const (
	codeAuthFailed      = "AUTH_FAILED" // this and the next two on sockets only
	codeAuthTimeout     = "AUTH_TIMEOUT"
	codeCollection      = "INVALID_COLLECTION"
	codeTokenExpired    = "TOKEN_EXPIRED"
	codeCredentials     = "INVALID_CREDENTIALS"
	codeForbidden       = "FORBIDDEN"
	codePayload         = "INVALID_PAYLOAD"
	codeQuery           = "INVALID_QUERY"
	codeNotUnique       = "RECORD_NOT_UNIQUE"
	codeTooLarge        = "CONTENT_TOO_LARGE"
	codeRate            = "REQUESTS_EXCEEDED"
	codeLimit           = "LIMIT_EXCEEDED"
	codeNoRoute         = "ROUTE_NOT_FOUND"
	codeUnavailable     = "SERVICE_UNAVAILABLE"
	codeInternal        = "INTERNAL_SERVER_ERROR"
	codeUnsupportedType = "UNSUPPORTED_MEDIA_TYPE"
)

func badPayload(format string, args ...any) *httperr.Error {
	return httperr.New(http.StatusBadRequest, codePayload, format, args...)
}

func forbidden(format string, args ...any) *httperr.Error {
	return httperr.New(http.StatusForbidden, codeForbidden, format, args...)
}

// own are the door's own codes, which wire does not translate.
var own = map[string]bool{
	codeAuthFailed: true, codeAuthTimeout: true, codeCollection: true, codeTokenExpired: true, codeCredentials: true, codeForbidden: true,
	codePayload: true, codeQuery: true, codeNotUnique: true, codeTooLarge: true, codeRate: true, codeLimit: true, codeNoRoute: true,
	codeUnavailable: true, codeInternal: true, codeUnsupportedType: true,
}

// answers are the errors for which Directus has a code that the status alone does not give, or another status (0: the
// same one).
var answers = map[string]struct {
	status int
	code   string
}{
	// Directus answers the same for what does not exist and for what the client may not see.
	httperr.NotFound:         {http.StatusForbidden, codeForbidden},
	httperr.OriginNotAllowed: {0, codeForbidden},
	auth.CookieOrigin:        {0, codeForbidden},
	httperr.IDTaken:          {http.StatusBadRequest, codeNotUnique},
	httperr.CollectionFull:   {http.StatusRequestEntityTooLarge, codeTooLarge},
	httperr.BadQuery:         {0, codeQuery},
	httperr.QueryTooSlow:     {0, codeQuery},
	httperr.ResultTooLarge:   {0, codeQuery},
	httperr.TooManySignIns:   {http.StatusTooManyRequests, codeRate},
	auth.ExpiredToken:        {0, codeTokenExpired}, // clients then get a new token
	auth.AmbiguousCredential: {0, codeCredentials},
}

// byStatus are the codes of all other errors. A status that is not here gives SERVICE_UNAVAILABLE.
var byStatus = map[int]string{
	http.StatusBadRequest:            codePayload,
	http.StatusUnauthorized:          codeCredentials,
	http.StatusRequestTimeout:        codePayload,
	http.StatusRequestEntityTooLarge: codeTooLarge,
	http.StatusTooManyRequests:       codeRate,
	http.StatusInternalServerError:   codeInternal,

	http.StatusRequestHeaderFieldsTooLarge: codeTooLarge,
}

// wire returns the status and the code of an error for Directus' clients.
func wire(e *httperr.Error) (status int, code string) {
	switch {
	case own[e.Code]:
		return e.Status, e.Code
	case e.Code == auth.ApplicationRefused && e.Status == http.StatusForbidden:
		return e.Status, codeForbidden
	}
	if a, ok := answers[e.Code]; ok {
		return cmp.Or(a.status, e.Status), a.code
	}
	return e.Status, cmp.Or(byStatus[e.Status], codeUnavailable)
}

// shape returns an error as {"errors":[…]}.
func shape(e *httperr.Error) (status int, body any) {
	type fault struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	}
	one := fault{Message: e.Message}
	status, one.Extensions.Code = wire(e)
	return status, map[string][]fault{"errors": {one}}
}

// refuse answers a request.
func (h *Handler) refuse(c echo.Context, err error) error {
	return httperr.Respond(c, h.o.Logger, err, shape)
}
