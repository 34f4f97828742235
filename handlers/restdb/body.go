package restdb

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"github.com/tidwall/gjson"

	"sluice/handlers/body"
	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/syntax"
)

// body reads the request's body and returns compact JSON, or nil if there is no body. It converts a form to JSON.
func (h *Handler) body(c *call) ([]byte, error) {
	length := c.Request().ContentLength
	if length == 0 {
		return nil, nil
	}
	form, bad := bodyType(c.Request().Header)
	if bad != nil && length > 0 {
		return nil, bad
	}
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Owner: c.who.Scope, Fields: true})
	if err != nil {
		return nil, err
	}
	if over := c.who.Over(time.Now()); over != nil {
		return nil, over
	}
	switch trimmed := bytes.TrimSpace(text); {
	case len(trimmed) == 0:
		return nil, nil
	case bad != nil:
		return nil, bad
	case form && trimmed[0] != '{' && trimmed[0] != '[':
		return readForm(string(trimmed))
	case form && (!body.Form(c.Request().Header) || !body.FormIsJSON(c.Request().Header, text)):
		// curl labels JSON as a form, but this is not such JSON.
		return nil, badType("; " + body.FormFault(text))
	}
	if err := h.o.Documents.CheckWidth(text, 1); err != nil {
		return nil, err
	}
	v := jsontext.Value(text)
	if err := v.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadJSON, "the body is not JSON: %s", syntax.ExplainJSON(text))
	}
	return v, nil
}

// bodyType reports whether the Content-Type is that of a form. It refuses all types other than forms and JSON.
func bodyType(head http.Header) (form bool, err error) {
	kind, params, err := mime.ParseMediaType(head.Get(echo.HeaderContentType))
	form = kind == echo.MIMEApplicationForm
	switch charset, given := params["charset"]; {
	case err != nil || !form && kind != echo.MIMEApplicationJSON || given && !strings.EqualFold(charset, "utf-8"):
		return false, badType("")
	case len(head.Values(echo.HeaderContentEncoding)) > 0:
		return false, httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedEncoding, "Content-Encoding is not supported; send the body uncompressed")
	}
	return form, nil
}

func badType(more string) error {
	return httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedMediaType,
		"send documents as Content-Type: application/json, or a form of fields as application/x-www-form-urlencoded, in UTF-8%s", more)
}

// object reads the body as one document's fields.
func (h *Handler) object(c *call) (documents.Fields, error) {
	text, err := h.body(c)
	if err != nil {
		return documents.Fields{}, err
	}
	f, _, err := fieldsOf(text)
	return f, err
}

func fieldsOf(text []byte) (documents.Fields, string, error) {
	f, id, err := documents.ParseFields(text)
	if err != nil {
		return f, "", httperr.New(http.StatusBadRequest, httperr.BadDocument, "%s", shapeFault(text))
	}
	return f, id, nil
}

// shapeFault explains why a value is not a document. body has already refused duplicate names.
func shapeFault(text []byte) string {
	switch v := gjson.ParseBytes(text); {
	case len(text) == 0:
		return "there is no body: a document is a JSON object"
	case !v.IsObject():
		return "a document is a JSON object, not " + query.KindOf(v)
	}
	return documents.ErrShape.Error()
}

// documents reads the body of an insert: one document, or an array.
func (h *Handler) documents(c *call) (docs []documents.New, single bool, err error) {
	text, err := h.body(c)
	if err != nil {
		return nil, false, err
	}
	if len(text) == 0 || text[0] != '[' {
		d, err := newDocument(text)
		return []documents.New{d}, true, err
	}
	// body has checked that the array is valid. If it has too many documents, the loop reads one more than the limit, and the
	// store then refuses them.
	elements := jsontext.NewDecoder(bytes.NewReader(text))
	for _, err = elements.ReadToken(); err == nil && elements.PeekKind() != ']' && len(docs) <= documents.MaxChangeDocuments; {
		var v jsontext.Value
		if v, err = elements.ReadValue(); err != nil {
			break
		}
		d, err := newDocument(v)
		if err != nil {
			return nil, false, httperr.New(http.StatusBadRequest, httperr.BadDocument, "document %d: %v", len(docs), err)
		}
		docs = append(docs, d)
	}
	return docs, false, err
}

// newDocument reads a new document. It refuses names that begin with a $, because a later change would read them as
// operators.
func newDocument(text []byte) (documents.New, error) {
	f, id, err := fieldsOf(text)
	if err != nil {
		return documents.New{}, err
	}
	switch given := gjson.GetBytes(text, "_id"); {
	case given.Type != gjson.Null && given.Type != gjson.String: // the document would get a different id
		return documents.New{}, httperr.New(http.StatusBadRequest, httperr.BadDocument, "_id is %s: %v", query.KindOf(given), documents.ErrID)
	case id != "" && documents.CheckID(id) != nil:
		return documents.New{}, httperr.New(http.StatusBadRequest, httperr.BadDocument, "%v", documents.ErrID)
	}
	for _, name := range f.Names() {
		if isOperator(name) {
			return documents.New{}, httperr.New(http.StatusBadRequest, httperr.BadDocument, "field %.40q: names of fields must not begin with $", name)
		}
	}
	return documents.New{ID: id, Fields: f}, nil
}
