package body

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"sluice/store/syntax"
)

// Form reports whether a body comes under the content type that curl gives to -d by itself. It is taken where it is JSON. A
// page cannot use that: browsers send this type to other origins without asking first, and an Origin with it.
func Form(head http.Header) bool {
	values := head.Values(echo.HeaderContentType)
	if len(values) != 1 || len(head.Values(echo.HeaderOrigin)) > 0 {
		return false
	}
	kind, params, err := mime.ParseMediaType(values[0])
	charset, given := params["charset"]
	return err == nil && kind == echo.MIMEApplicationForm && (!given || strings.EqualFold(charset, "utf-8"))
}

// FormIsJSON reports whether a body may be read as JSON as far as Form is concerned: it is JSON, or is sent as another type.
func FormIsJSON(head http.Header, text []byte) bool {
	return head.Get(echo.HeaderContentType) == echo.MIMEApplicationJSON || !Form(head) || json.Valid(text)
}

// FormFault explains why a body with that type was refused: to a user of curl, a slip in the JSON would look like a wrong
// type.
func FormFault(text []byte) string {
	return "as " + echo.MIMEApplicationForm + " it must be JSON, and it is not: " + syntax.ExplainJSON(text)
}
