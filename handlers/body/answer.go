package body

import (
	"bytes"
	"strconv"

	"github.com/labstack/echo/v4"
)

var lineEnd = []byte{'\n'}

// The value of a header, which all answers share and none changes.
var typeJSON = []string{echo.MIMEApplicationJSON}

// JSON answers with text, which is JSON, and a line end behind it: what curl prints does not run into the prompt. The text
// is not copied for that.
func JSON(c echo.Context, status int, text []byte) error {
	w := c.Response()
	w.Header()[echo.HeaderContentType] = typeJSON
	if bytes.HasSuffix(text, lineEnd) {
		w.WriteHeader(status)
		_, err := w.Write(text)
		return err
	}
	w.Header().Set(echo.HeaderContentLength, strconv.Itoa(len(text)+len(lineEnd)))
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		return err
	}
	_, err := w.Write(lineEnd)
	return err
}
