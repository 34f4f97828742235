// Package body reads the bodies of requests, the same way at every door: bounded in length, in time and in memory.
package body

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth/peer"
	"sluice/handlers/httperr"
	"sluice/store/share"
)

// Limits bound a body.
type Limits struct {
	Bytes  int64         // how long it may be
	Named  string        // what bounds it, for the refusal; "": MAX_BODY
	Time   time.Duration // READ_TIMEOUT: the whole body must arrive within it
	Memory *share.Memory // charged to Owner until the request is over
	Owner  string        // the scope of the credential; "": the client's address
	Fields bool          // the door stores the fields of the JSON one by one, which is charged, too
}

// Read reads a request's body. Its error is an *httperr.Error. Then the connection is closed, since the bytes left on it are
// not a request.
func Read(c echo.Context, l Limits) ([]byte, error) {
	text, err := read(c, l)
	if err != nil {
		return nil, refused(c, err, l)
	}
	return text, nil
}

// refused makes the answer to a body that could not be read, and has the connection closed.
func refused(c echo.Context, err error, l Limits) error {
	var bad *httperr.Error
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		bad = httperr.New(http.StatusRequestEntityTooLarge, httperr.BodyTooLarge, "the body is larger than %s, %d bytes; send less in one request", cmp.Or(l.Named, "MAX_BODY"), l.Bytes)
	case errors.Is(err, os.ErrDeadlineExceeded):
		bad = httperr.New(http.StatusRequestTimeout, httperr.BodyTimeout, "the body did not arrive within READ_TIMEOUT, %v", l.Time)
	case errors.As(err, new(*share.FullError)):
		bad = httperr.From(err)
	case errors.Is(err, errDeadline):
		return err
	default:
		bad = httperr.New(http.StatusBadRequest, httperr.BodyUnreadable, "the body ended too early, or its chunks are malformed")
	}
	c.Response().Header().Set(echo.HeaderConnection, "close")
	return bad
}

// None reports whether a request has no body: not a byte of it, however it is framed. A proxy may send an empty chunked
// body, or an empty DATA frame, with any request. A body that there is can still be read.
func None(c echo.Context, l Limits) (bool, error) {
	r := c.Request()
	if r.ContentLength >= 0 {
		return r.ContentLength == 0, nil
	}
	rc := http.NewResponseController(c.Response().Writer)
	if err := rc.SetReadDeadline(time.Now().Add(l.Time)); err != nil {
		return false, fmt.Errorf("%w: %w", errDeadline, err)
	}
	first := make([]byte, 1)
	switch _, err := io.ReadFull(r.Body, first); {
	case errors.Is(err, io.EOF):
		r.ContentLength, r.Body = 0, http.NoBody
	case err != nil:
		return false, refused(c, err, l)
	default:
		r.Body = &rest{io.MultiReader(bytes.NewReader(first), r.Body), r.Body}
		return false, nil // the deadline stays, for a rest that nobody reads
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return false, fmt.Errorf("%w: %w", errDeadline, err)
	}
	return true, nil
}

// rest is a body whose first byte was read.
type rest struct {
	io.Reader
	io.Closer
}

const (
	firstBuffer = 512
	// free is how many bytes a body may have without a charge: as much as the buffers of any connection. It also bounds the
	// memory allocated for a length that a client only announces.
	free = 4 << 10
	// perField is what each field takes once it is parsed, in addition to its text: 66 bytes a field were measured with
	// {"0":{},"1":{},…}. Without it, a body of 1 MiB would take ten of heap, and be charged as one.
	perField = 64
)

var errDeadline = errors.New("the connection has no deadlines")

func read(c echo.Context, l Limits) ([]byte, error) {
	r, w := c.Request(), c.Response()
	if r.ContentLength > l.Bytes {
		return nil, &http.MaxBytesError{Limit: l.Bytes} // at once: the rest would be read for nothing
	}
	rc := http.NewResponseController(w.Writer)
	if err := rc.SetReadDeadline(time.Now().Add(l.Time)); err != nil {
		return nil, fmt.Errorf("%w: %w", errDeadline, err)
	}
	b := buffer{c: c, limits: l, text: make([]byte, 0, firstLength(r.ContentLength))}
	from := io.Reader(r.Body)
	if r.ContentLength < 0 { // else http.Server reads no more than that
		from = http.MaxBytesReader(w.Writer, r.Body, l.Bytes)
	}
	if err := b.fill(from); err != nil {
		if b.account != nil {
			b.account.Close()
		}
		return nil, err
	}
	if b.account != nil {
		context.AfterFunc(r.Context(), b.account.Close)
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("%w: %w", errDeadline, err)
	}
	return b.text, nil
}

// firstLength returns how long the buffer of a body is at first: with a byte by which its end is seen.
func firstLength(announced int64) int64 {
	if announced < 0 {
		return firstBuffer
	}
	return min(announced+1, free)
}

// buffer grows with what has come, and charges what it takes.
type buffer struct {
	c       echo.Context
	limits  Limits
	text    []byte
	account *share.Account // nil while it is small
}

func (b *buffer) fill(body io.Reader) error {
	for {
		if len(b.text) == cap(b.text) {
			if err := b.grow(); err != nil {
				return err
			}
		}
		n, err := body.Read(b.text[len(b.text):cap(b.text)])
		b.text = b.text[:len(b.text)+n]
		switch {
		case errors.Is(err, io.EOF):
			return b.parsed()
		case err != nil:
			return err
		}
	}
}

// parsed charges what parsing the body will take. Commas stand between fields; those in strings are charged too, since
// telling them apart would cost as much as parsing.
func (b *buffer) parsed() error {
	if b.account == nil || !b.limits.Fields {
		return nil
	}
	return b.account.Take(perField * int64(bytes.Count(b.text, []byte{','})))
}

// grow doubles the buffer, up to what the longest body takes and a byte by which its end is seen.
func (b *buffer) grow() error {
	size := min(2*cap(b.text), max(int(b.limits.Bytes), cap(b.text))+1)
	if size > free {
		if b.account == nil {
			b.account = b.limits.Memory.Account(peer.Owner(b.limits.Owner, b.c.RealIP()))
		}
		if err := b.account.Take(int64(size)); err != nil {
			return err
		}
	}
	larger := make([]byte, len(b.text), size)
	copy(larger, b.text)
	if old := int64(cap(b.text)); old > free {
		b.account.Give(old)
	}
	b.text = larger
	return nil
}
