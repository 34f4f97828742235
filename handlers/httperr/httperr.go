// Package httperr has the one error that every door answers with. From makes it from whatever failed below. A door only
// chooses the shape in which its clients get it. Invariant: no message contains a credential.
package httperr

import (
	"fmt"
	"net/http"
	"time"
)

// Error is an answer other than 2xx.
type Error struct {
	Status     int
	Code       string // one of codes.go, or a word of the door that made the error
	Message    string
	RetryAfter time.Duration // when the same request may succeed; 0: not by waiting
	Last       string        // the stream's last id, where Code is expect_failed
	Current    any           // what there is now, where Code is version_mismatch or already_created: shown to the client as JSON
	Cause      error         // for the log alone
}

// New makes an error with a message.
func New(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// After sets RetryAfter: a moment at least, as 0 would mean that waiting does not help.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = max(d, 1)
	return e
}

// Because sets Cause.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Passes reports whether the same request can succeed later.
func (e *Error) Passes() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// OverRate refuses a request that exceeds its credential's rate, until wait is over. The door gives the message.
func OverRate(what string, wait time.Duration) *Error {
	return New(http.StatusTooManyRequests, RateLimited, "%s; slow down", what).After(wait)
}

// ForeignOrigin refuses a request from a page of a site that its key does not allow.
func ForeignOrigin() *Error {
	return New(http.StatusForbidden, OriginNotAllowed, "this key may not be used from this Origin; add it to the key's origins")
}
