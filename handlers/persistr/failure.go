package persistr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/account"
	"sluice/auth/passwords"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

// failure is an answer other than 2xx. Feeds tell name, status and message, other calls message alone.
type failure struct {
	status  int
	name    string
	message string
	cause   error         // for the log alone
	after   time.Duration // when to come back, where it will pass
	code    string        // in the words that all doors share, where there is one
}

// counted is the word for metrics and the audit trail.
func (f *failure) counted() string { return cmp.Or(f.code, f.name) }

func (f *failure) Error() string { return f.message }

func (f *failure) Unwrap() error { return f.cause }

func fail(status int, name, format string, args ...any) *failure {
	return &failure{status: status, name: name, message: fmt.Sprintf(format, args...)}
}

func bad(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "BadRequest", format, args...)
}

func forbidden(format string, args ...any) *failure {
	return fail(http.StatusForbidden, "Forbidden", format, args...)
}

// refused is why a key, a token or an admin key was not taken.
func refused(e *auth.Error) *failure {
	f := &failure{status: e.Status, name: "InvalidCredentials", message: e.Message, code: e.Code, after: e.After}
	switch e.Status {
	case http.StatusTooManyRequests:
		f.name = "TooManyRequests"
	case http.StatusServiceUnavailable:
		f.name = "ServiceUnavailable"
	}
	return f
}

func unauthorized(format string, args ...any) *failure {
	f := fail(http.StatusUnauthorized, "InvalidCredentials", format, args...)
	f.code = httperr.BadLogin
	return f
}

// known are the errors of what the door serves.
var known = []struct {
	err    error
	status int
	name   string
}{
	{streams.ErrNoDatabase, http.StatusForbidden, "Forbidden"},
	{streams.ErrMayNot, http.StatusForbidden, "Forbidden"},
	{streams.ErrNoNamespace, http.StatusNotFound, "NamespaceNotFound"},
	{streams.ErrNoStream, http.StatusNotFound, "StreamNotFound"},
	{streams.ErrNoEvent, http.StatusNotFound, "EventNotFound"},
	{streams.ErrNoAnnotation, http.StatusNotFound, "AnnotationNotFound"},
	{streams.ErrRole, http.StatusNotFound, "RoleNotFound"},
	{streams.ErrTaken, http.StatusBadRequest, "NameTaken"},
	{streams.ErrName, http.StatusBadRequest, "BadName"},
	{streams.ErrTooMany, http.StatusBadRequest, "TooMany"},
	{streams.ErrFull, http.StatusForbidden, "DatabaseFull"},
	{account.ErrUnknown, http.StatusNotFound, "AccountNotFound"},
	{account.ErrTaken, http.StatusBadRequest, "NameTaken"},
	{account.ErrName, http.StatusBadRequest, "BadName"},
	{account.ErrPassword, http.StatusBadRequest, "BadPassword"},
	{account.ErrTooMany, http.StatusBadRequest, "TooMany"},
}

// failed is any error as a failure.
func failed(err error) *failure {
	var f *failure
	var he *httperr.Error
	var tries *passwords.TriesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &he):
		return &failure{status: he.Status, name: he.Code, code: he.Code, message: he.Message, cause: he.Cause, after: he.RetryAfter}
	case errors.As(err, &tries):
		return &failure{status: http.StatusTooManyRequests, name: "TooManyRequests", code: auth.TooManyTries, message: tries.Error(), after: tries.After}
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return fail(k.status, k.name, "%v", err)
		}
	}
	passing := &failure{status: http.StatusServiceUnavailable, name: "ServiceUnavailable", after: 2 * time.Second, cause: err}
	switch {
	case errors.Is(err, account.ErrBusy), errors.Is(err, streams.ErrBusy):
		passing.message = err.Error()
	case eventlog.DiskFull(err):
		passing.message, passing.code = eventlog.Explain(err), httperr.DiskFull
	case errors.Is(err, broker.ErrDraining):
		passing.message = "the gateway is shutting down; come back in a moment"
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, eventlog.ErrUnknown), errors.Is(err, context.Canceled):
		passing.message = "the log cannot do this now; whether it was done is not always known: look before you try again"
	default:
		return &failure{status: http.StatusInternalServerError, name: "InternalError", message: "Internal service error", cause: err}
	}
	return passing
}

// refuse answers a call with {"error":…}.
func (h *Handler) refuse(c echo.Context, err error) error {
	f := failed(err)
	h.logCause(c, f)
	httperr.Note(c, f.status, f.counted())
	head := c.Response().Header()
	if f.status == http.StatusUnauthorized {
		// Not Basic: a browser would ask its user, and keep what it is told for every page.
		head.Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	httperr.SetRetryAfter(head, f.after)
	head.Set(echo.HeaderCacheControl, "no-store")
	return c.JSON(f.status, map[string]string{"error": f.message})
}

func (h *Handler) logCause(c echo.Context, f *failure) {
	if f.status < http.StatusInternalServerError || f.cause == nil {
		return
	}
	httperr.LogCause(h.o.Logger, c, f.name, c.Path(), f.cause)
}
