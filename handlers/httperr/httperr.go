// Package httperr is the one shape of error answers, {"message":…,"code":…}, and the one place
// that writes them. Invariant: no message holds a credential.
package httperr

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/store/eventlog"
)

// Error is an answer other than 2xx.
type Error struct {
	Status     int
	Code       string
	Message    string
	RetryAfter time.Duration // sent in whole seconds, at least 1, where greater than zero
	Last       string        // the stream's last id, where Code is expect_failed
	Current    any           // what there is now, where Code is version_mismatch or already_created; it may be told
	Cause      error         // for the log alone
}

// New makes an error with a message.
func New(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// After sets RetryAfter.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Because sets Cause.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// OfAuth is why a credential was refused, as an answer.
func OfAuth(e *auth.Error) *Error {
	return &Error{Status: e.Status, Code: e.Code, Message: e.Message, RetryAfter: e.After}
}

// OfLog is why the log did not take something, as an answer. It names no folder: that is for the operator's log.
func OfLog(err error) *Error {
	code := Unavailable
	if eventlog.DiskFull(err) {
		code = DiskFull
	}
	return New(http.StatusServiceUnavailable, code, "%s", eventlog.Explain(err)).After(logRetry).Because(err)
}

// logRetry is when the log may take it.
const logRetry = 2 * time.Second

// Passes reports whether the same request can succeed later.
func (e *Error) Passes() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// refusalKey is where the context of a request holds what it was refused with.
const refusalKey = "refusal"

type refusal struct {
	status int
	code   string
}

// Note keeps the status and the code of an error that Write does not write, for those who count and log it. The answer
// may have another status: that to an EventSource is 200 and tells the error in a frame.
func Note(c echo.Context, status int, code string) { c.Set(refusalKey, refusal{status, code}) }

// Noted returns the status and the code of the error that a request was answered with, "" where there was none.
func Noted(c echo.Context) (status int, code string) {
	r, _ := c.Get(refusalKey).(refusal)
	return r.status, r.code
}

// Code is the code alone.
func Code(c echo.Context) string {
	_, code := Noted(c)
	return code
}

// SetRetryAfter says when to come back, in whole seconds and never too early: a client that waits that long
// must not be refused again for the same reason. Nothing is said where wait is 0.
func SetRetryAfter(h http.Header, wait time.Duration) {
	if wait > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}

// plainKey is where the context of a request holds that its error is answered as plain text.
const plainKey = "plain"

// PlainText has an error of this request answered as text instead of JSON, for clients that take all JSON for the answer
// that they wanted.
func PlainText(c echo.Context) { c.Set(plainKey, true) }

type body struct {
	Message string  `json:"message"`
	Code    string  `json:"code"`
	Last    *string `json:"last,omitempty"`
	Current any     `json:"current,omitempty"`
}

// Write answers with e.
func Write(c echo.Context, e *Error) error {
	Note(c, e.Status, e.Code)
	h := c.Response().Header()
	if e.Status == http.StatusUnauthorized {
		h.Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	SetRetryAfter(h, e.RetryAfter)
	h.Set("Cache-Control", "no-store")
	if plain, _ := c.Get(plainKey).(bool); plain {
		return c.String(e.Status, e.Code+": "+e.Message+"\n")
	}
	b := body{Message: e.Message, Code: e.Code, Current: e.Current}
	if e.Code == ExpectFailed {
		b.Last = &e.Last
	}
	return c.JSON(e.Status, b)
}

// From is err as an answer: itself, echo's own errors in our shape, else a 500 that tells the
// client nothing of the cause.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		switch he.Code {
		case http.StatusNotFound:
			return New(he.Code, NotFound, "there is nothing here; events are at /realtime")
		case http.StatusMethodNotAllowed:
			return New(he.Code, MethodNotAllowed, "this method is not allowed here; see the Allow header")
		}
		return New(he.Code, Internal, "%s", http.StatusText(he.Code))
	}
	return New(http.StatusInternalServerError, Internal, "the gateway failed; its log has the cause under the X-Request-Id of this answer").Because(err)
}

// Handler is echo's error handler.
func Handler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		e := From(err)
		if e.Status >= http.StatusInternalServerError && e.Cause != nil {
			LogCause(log, c, e.Code, c.Path(), e.Cause)
		}
		if werr := Write(c, e); werr != nil {
			log.Debug("writing an error answer", "cause", werr)
		}
	}
}
