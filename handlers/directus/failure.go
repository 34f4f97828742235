package directus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// Codes of errors, which are Directus' words: its SDK and pages decide on them.
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
	codeMethod          = "METHOD_NOT_ALLOWED"
	codeUnavailable     = "SERVICE_UNAVAILABLE"
	codeInternal        = "INTERNAL_SERVER_ERROR"
	codeUnsupportedType = "UNSUPPORTED_MEDIA_TYPE"
)

// failure is an error as clients are told it, on either way.
type failure struct {
	status  int
	code    string
	message string
	after   time.Duration // when it may have passed, where it will
	cause   error         // for the log alone
	shared  string        // the code in the words that all doors share, where there is one
}

// counted is the word for metrics and the audit trail.
func (f *failure) counted() string { return cmp.Or(f.shared, f.code) }

func (f *failure) Error() string { return f.message }

func (f *failure) Unwrap() error { return f.cause }

func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badPayload(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, codePayload, format, args...)
}

func forbidden(format string, args ...any) *failure {
	return fail(http.StatusForbidden, codeForbidden, format, args...)
}

// badCredential is what the gateway says of a credential. One that has expired is told apart, since clients then get
// another.
func badCredential(e *auth.Error) *failure {
	f := &failure{status: e.Status, code: codeCredentials, message: e.Message, after: e.After, shared: e.Code}
	switch {
	case e.Code == "expired_token":
		f.code = codeTokenExpired
	case e.Status == http.StatusTooManyRequests:
		f.code = codeRate
	case e.Status == http.StatusServiceUnavailable:
		f.code = codeUnavailable
	}
	return f
}

// known are the store's errors that the client is to mend. Directus does not tell what is not there from what one may
// not see.
var known = []struct {
	err    error
	status int
	code   string
}{
	{documents.ErrNotFound, http.StatusForbidden, codeForbidden},
	{documents.ErrCollection, http.StatusForbidden, codeForbidden},
	{documents.ErrTaken, http.StatusBadRequest, codeNotUnique},
	{documents.ErrID, http.StatusBadRequest, codePayload},
	{documents.ErrShape, http.StatusBadRequest, codePayload},
	{documents.ErrTwice, http.StatusBadRequest, codePayload},
	{documents.ErrTime, http.StatusBadRequest, codeQuery},
}

// retryLater is when somebody who met a passing failure may come back.
const retryLater = 2 * time.Second

// failed is any error as a failure.
func failed(err error) *failure {
	var f *failure
	var he *httperr.Error
	var limit *documents.LimitError
	var tries *auth.TriesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &he):
		return fromHTTP(he)
	case errors.As(err, new(*query.Error)):
		return fail(http.StatusBadRequest, codeQuery, "%v", err)
	case errors.As(err, &limit) && limit.Setting == "MAX_RESULT":
		return fail(http.StatusBadRequest, codeQuery, "%v", err)
	case errors.As(err, &limit):
		return fail(http.StatusRequestEntityTooLarge, codeTooLarge, "%v", err)
	}
	switch {
	case errors.As(err, &tries):
		return &failure{status: http.StatusTooManyRequests, code: codeRate, message: tries.Error(), after: tries.After, shared: auth.TooManyTries}
	case errors.Is(err, auth.ErrBusy):
		return &failure{status: http.StatusTooManyRequests, code: codeRate, message: auth.ErrBusy.Error(), after: retryLater}
	}
	if errors.Is(err, auth.ErrBadLogin) {
		return &failure{status: http.StatusUnauthorized, code: codeCredentials, message: err.Error(), shared: httperr.BadLogin}
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return fail(k.status, k.code, "%v", err)
		}
	}
	passing := &failure{status: http.StatusServiceUnavailable, code: codeUnavailable, after: retryLater, cause: err}
	switch {
	case errors.Is(err, documents.ErrCrowd):
		passing.message, passing.cause = documents.ErrCrowd.Error(), nil // who asks too much does not fill the log
	case errors.Is(err, documents.ErrMemory):
		passing.message, passing.cause = documents.ErrMemory.Error(), nil
	case errors.Is(err, documents.ErrBusy):
		passing.message = documents.ErrBusy.Error()
	case eventlog.DiskFull(err):
		passing.message, passing.shared = eventlog.Explain(err), httperr.DiskFull
	case errors.Is(err, broker.ErrDraining):
		passing.message = "the gateway is shutting down; come back in a moment"
	case errors.Is(err, eventlog.ErrUnknown):
		passing.message = "the log cannot take changes now; whether this one was stored is not known: look before you repeat it"
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, context.Canceled):
		passing.message = "the log cannot do this now; try again in a moment"
	default:
		return &failure{status: http.StatusInternalServerError, code: codeInternal, message: "the gateway failed; its log has the cause", cause: err}
	}
	return passing
}

// fromHTTP is an error of what the doors share, and echo's own.
func fromHTTP(e *httperr.Error) *failure {
	f := &failure{status: e.Status, code: codeUnavailable, message: e.Message, after: e.RetryAfter, cause: e.Cause, shared: e.Code}
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestTimeout:
		f.code = codePayload
	case http.StatusNotFound:
		f.code = codeNoRoute
	case http.StatusMethodNotAllowed:
		f.code = codeMethod
	case http.StatusTooManyRequests:
		f.code = codeRate
	case http.StatusRequestEntityTooLarge:
		f.code = codeTooLarge
	case http.StatusInternalServerError:
		f.code = codeInternal
	}
	return f
}

// told is an error as REST tells it.
type told struct {
	Message    string `json:"message"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// refuse answers a request with {"errors":[…]}.
func (h *Handler) refuse(c echo.Context, err error) error {
	f := failed(err)
	h.logCause(c, f)
	httperr.Note(c, f.status, f.counted())
	head := c.Response().Header()
	if f.status == http.StatusUnauthorized {
		head.Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	httperr.SetRetryAfter(head, f.after)
	head.Set(echo.HeaderCacheControl, "no-store")
	one := told{Message: f.message}
	one.Extensions.Code = f.code
	return c.JSON(f.status, map[string][]told{"errors": {one}})
}

func (h *Handler) logCause(c echo.Context, f *failure) {
	if f.status < http.StatusInternalServerError || f.cause == nil {
		return
	}
	httperr.LogCause(h.o.Logger, c, f.code, c.Path(), f.cause)
}
