// Package body reads the bodies of requests, the same way at every door: bounded in length and in time.
package body

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/handlers/httperr"
)

// Read reads a request's body, of MAX_BODY bytes at most, which has to be there within READ_TIMEOUT. What is wrong with
// it is an *httperr.Error, after which the connection is closed: what is left on it is no request.
func Read(c echo.Context, maxBody int64, timeout time.Duration) ([]byte, error) {
	r, w := c.Request(), c.Response()
	text, err := read(w, r, maxBody, timeout)
	var bad *httperr.Error
	switch {
	case err == nil:
		return text, nil
	case errors.As(err, new(*http.MaxBytesError)):
		bad = httperr.New(http.StatusRequestEntityTooLarge, httperr.BodyTooLarge, "the body is over MAX_BODY, %d bytes; send less at once", maxBody)
	case errors.Is(err, os.ErrDeadlineExceeded):
		bad = httperr.New(http.StatusRequestTimeout, httperr.BodyTimeout, "the body was not there within READ_TIMEOUT, %v", timeout)
	case errors.Is(err, errDeadline):
		return nil, err
	default:
		bad = httperr.New(http.StatusBadRequest, httperr.BodyUnreadable, "the body ended too early or was framed wrongly")
	}
	w.Header().Set(echo.HeaderConnection, "close")
	return nil, bad
}

// believed is up to where memory is taken for what a client says that it will send.
const believed = 64 << 10

var errDeadline = errors.New("the connection takes no deadline")

func read(w *echo.Response, r *http.Request, maxBody int64, timeout time.Duration) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody} // at once: the rest would be read for nothing
	}
	rc := http.NewResponseController(w.Writer)
	if err := rc.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("%w: %w", errDeadline, err)
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 512), believed)+bytes.MinRead))
	if _, err := buf.ReadFrom(http.MaxBytesReader(w.Writer, r.Body, maxBody)); err != nil {
		return nil, err
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("%w: %w", errDeadline, err)
	}
	return buf.Bytes(), nil
}
