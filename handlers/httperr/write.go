package httperr

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// Shape is how a door writes an error to its clients: the status and the code that they know it by, and a body that is
// answered as JSON.
type Shape func(e *Error) (status int, body any)

// Respond answers a request with an error, in the shape of a door.
func Respond(c echo.Context, log *slog.Logger, err error, shape Shape) error {
	e := From(err)
	LogRequest(log, c, e)
	status, body := shape(e)
	setHead(c, e, status)
	return c.JSON(status, body)
}

// Handler is echo's error handler. It answers in our own shape, of the doors that have no other.
func Handler(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		if werr := respond(c, log, err); werr != nil {
			log.Debug("writing an error answer", "cause", werr)
		}
	}
}

// respond answers in the shape of UseShape, else in our own, or as text where the request has asked for that.
func respond(c echo.Context, log *slog.Logger, err error) error {
	if shape, ok := c.Get(shapeKey).(Shape); ok {
		return Respond(c, log, err, shape)
	}
	if plain, _ := c.Get(plainKey).(bool); !plain {
		return Respond(c, log, err, ours)
	}
	e := From(err)
	LogRequest(log, c, e)
	setHead(c, e, e.Status)
	return c.String(e.Status, e.Code+": "+e.Message+"\n")
}

// ours is {"message":…,"code":…}.
func ours(e *Error) (status int, body any) {
	answer := struct {
		Message string  `json:"message"`
		Code    string  `json:"code"`
		Last    *string `json:"last,omitempty"`
		Current any     `json:"current,omitempty"`
	}{Message: e.Message, Code: e.Code, Current: e.Current}
	if e.Code == ExpectFailed {
		answer.Last = &e.Last
	}
	return e.Status, answer
}

// plainKey is where the context of a request holds that its error is answered as plain text.
const plainKey = "plain"

// PlainText has an error of this request answered as text instead of JSON, for clients that take all JSON for the answer
// that they wanted.
func PlainText(c echo.Context) { c.Set(plainKey, true) }

// shapeKey is where the context of a request holds the shape of its door.
const shapeKey = "shape"

// UseShape has an error that the door itself does not see, as after a panic, answered in the door's shape.
func UseShape(c echo.Context, shape Shape) { c.Set(shapeKey, shape) }

// Raw is an answer in our own shape for a connection that net/http has no request of. It closes the connection.
func Raw(e *Error) []byte {
	status, body := ours(e)
	text, err := json.Marshal(body)
	if err != nil {
		return nil // texts always can
	}
	head := http.Header{echo.HeaderContentType: {echo.MIMEApplicationJSON}}
	addHeaders(head, e, status)
	var b bytes.Buffer
	_ = (&http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: head, Close: true,
		ContentLength: int64(len(text)) + 1, Body: io.NopCloser(bytes.NewReader(append(text, '\n'))),
	}).Write(&b) // a buffer takes all
	return b.Bytes()
}

// setHead sets the headers of an error answer, and notes it.
func setHead(c echo.Context, e *Error, status int) {
	Note(c, status, e)
	addHeaders(c.Response().Header(), e, status)
}

func addHeaders(h http.Header, e *Error, status int) {
	if status == http.StatusUnauthorized {
		// Not Basic, even where that is taken: a browser would ask its user, and send the answer with every page.
		h.Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	if e.RetryAfter > 0 {
		h.Set(echo.HeaderRetryAfter, seconds(e.RetryAfter))
	}
	h.Set(echo.HeaderCacheControl, "no-store")
}

// seconds is a wait as Retry-After has it (RFC 9110, 10.2.3): whole seconds, and never too few, as a client that waits so
// long must not be refused again for the same reason.
func seconds(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}

// refusalKey is where the context of a request holds what it was refused with.
const refusalKey = "refusal"

type refusal struct {
	status int
	code   string
}

// Note stores an error and its door's status in the context, for counting and logging refusals. The answer may have another
// status: an EventSource gets 200, with the error in a frame.
func Note(c echo.Context, status int, e *Error) { c.Set(refusalKey, refusal{status, e.Code}) }

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
