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

	"sluice/broker/document"
	"sluice/broker/document/query"
	"sluice/broker/syntax"
	"sluice/handlers/body"
	"sluice/handlers/httperr"
)

// body reads the JSON of a request: compact, and nil where there is none.
func (h *Handler) body(c *call) ([]byte, error) {
	if c.Request().ContentLength == 0 {
		return nil, nil
	}
	if err := jsonType(c.Request().Header); err != nil {
		return nil, err
	}
	text, err := body.Read(c, body.Limits{Bytes: h.o.MaxBody, Time: h.o.ReadTimeout, Memory: h.o.Traffic.Memory, Owner: c.who.Scope})
	if err != nil {
		return nil, err
	}
	if over := c.who.Over(time.Now()); over != nil {
		return nil, httperr.New(over.Status, over.Code, "%s", over.Message)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	if !body.FormIsJSON(c.Request().Header, text) {
		return nil, notJSON()
	}
	v := jsontext.Value(text)
	if err := v.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return nil, httperr.New(http.StatusBadRequest, httperr.BadJSON, "the body is not JSON in UTF-8, without a field twice: %s", syntax.Explain(err))
	}
	return v, nil
}

func jsonType(head http.Header) error {
	kind, params, err := mime.ParseMediaType(head.Get(echo.HeaderContentType))
	switch charset, given := params["charset"]; {
	case !body.Form(head) && (err != nil || kind != echo.MIMEApplicationJSON || given && !strings.EqualFold(charset, "utf-8")):
		return notJSON()
	case len(head.Values(echo.HeaderContentEncoding)) > 0:
		return httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedEncoding, "no Content-Encoding is taken; send application/json as it is")
	}
	return nil
}

func notJSON() error {
	return httperr.New(http.StatusUnsupportedMediaType, httperr.UnsupportedMediaType, "send documents as Content-Type: application/json, in UTF-8")
}

// object reads the body as one document's fields.
func (h *Handler) object(c *call) (document.Fields, error) {
	text, err := h.body(c)
	if err != nil {
		return document.Fields{}, err
	}
	f, _, err := fieldsOf(text)
	return f, err
}

func fieldsOf(text []byte) (document.Fields, string, error) {
	f, id, err := document.ParseFields(text)
	if err != nil {
		return f, "", httperr.New(http.StatusBadRequest, httperr.BadDocument, "%v", document.ErrShape)
	}
	return f, id, nil
}

// documents reads the body of an insert: one document, or an array.
func (h *Handler) documents(c *call) (docs []document.New, single bool, err error) {
	text, err := h.body(c)
	if err != nil {
		return nil, false, err
	}
	if len(text) == 0 || text[0] != '[' {
		d, err := newDocument(text)
		return []document.New{d}, true, err
	}
	// It is valid, as body has seen. Of too many documents one is read, for the store to refuse.
	elements := jsontext.NewDecoder(bytes.NewReader(text))
	for _, err = elements.ReadToken(); err == nil && elements.PeekKind() != ']' && len(docs) <= document.ChangeMost; {
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

// newDocument reads one that is to be made. Names that begin with a $ are operators in later changes, which is why it
// can have none.
func newDocument(text []byte) (document.New, error) {
	f, id, err := fieldsOf(text)
	if err != nil {
		return document.New{}, err
	}
	switch given := gjson.GetBytes(text, "_id"); {
	case given.Type != gjson.Null && given.Type != gjson.String: // it would be made under another
		return document.New{}, httperr.New(http.StatusBadRequest, httperr.BadDocument, "_id is %s: %v", query.KindOf(given), document.ErrID)
	case id != "" && document.CheckID(id) != nil:
		return document.New{}, httperr.New(http.StatusBadRequest, httperr.BadDocument, "%v", document.ErrID)
	}
	for _, name := range f.Names() {
		if isOperator(name) {
			return document.New{}, httperr.New(http.StatusBadRequest, httperr.BadDocument, "field %.40q: the names of fields do not begin with a $", name)
		}
	}
	return document.New{ID: id, Fields: f}, nil
}
