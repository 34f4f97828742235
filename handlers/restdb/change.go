package restdb

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sluice/handlers/httperr"
	"sluice/store/documents"
	"sluice/store/documents/query"
)

// version hides _version, the only metafield that the answer to an insert omits, as in RestDB.
var version, _ = query.Hide("_version")

func (h *Handler) insert(c *call) (int, error) {
	docs, single, err := h.documents(c)
	if err != nil {
		return 0, err
	}
	if err := c.take(len(docs)); err != nil {
		return 0, err
	}
	texts, err := h.o.Documents.Insert(c.Request().Context(), c.collection, c.who.Name, docs)
	if err != nil {
		return 0, err
	}
	answer := version.Append(nil, texts[0])
	if !single {
		answer = appendList(nil, version, texts)
	}
	return len(texts), c.json(http.StatusCreated, answer)
}

// appendList appends documents as an array.
func appendList(dst []byte, p query.Projection, texts [][]byte) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.Append(dst, text)
	}
	return append(dst, ']')
}

// set serves PUT and PATCH: it sets the fields that the body names, keeps the others, and then applies the operators.
func (h *Handler) set(c *call) (int, error) {
	fields, err := h.object(c)
	if err != nil {
		return 0, err
	}
	operators := slices.ContainsFunc(fields.Names(), isOperator)
	changes, err := takeOperators(&fields)
	if err == nil && operators {
		err = c.needToRead("the success or failure of an operator")
	}
	if err != nil {
		return 0, err
	}
	return h.update(c, func(own *documents.Fields) error {
		own.Merge(fields)
		return changes.apply(own)
	})
}

// update changes one document. The answer has the whole document if the sender may read it, else only the id.
func (h *Handler) update(c *call, f func(own *documents.Fields) error) (int, error) {
	if err := c.take(1); err != nil {
		return 0, err
	}
	texts, err := h.o.Documents.Update(c.Request().Context(), c.collection, c.who.Name, []string{c.id}, false, func(_ string, own *documents.Fields) error { return f(own) })
	if err != nil {
		return 0, err
	}
	if !c.may(http.MethodGet) {
		answer, err := json.Marshal(map[string]string{"_id": c.id})
		if err != nil {
			return 0, err
		}
		return 1, c.json(http.StatusOK, answer)
	}
	return 1, c.json(http.StatusOK, c.shown().Append(nil, texts[0]))
}

// remove deletes one document, or several if the id is *.
func (h *Handler) remove(c *call) (int, error) {
	if c.id == "*" {
		return h.removeMany(c)
	}
	if err := c.take(1); err != nil {
		return 0, err
	}
	ids, err := h.o.Documents.Remove(c.Request().Context(), c.collection, []string{c.id}, false)
	return c.removed(ids, err)
}

func (c *call) removed(ids []string, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	answer, err := json.Marshal(map[string][]string{"result": append([]string{}, ids...)})
	if err != nil {
		return 0, err
	}
	return min(1, len(ids)), c.json(http.StatusOK, answer)
}

// removeMany deletes the documents that the body names, or those that q matches.
func (h *Handler) removeMany(c *call) (int, error) {
	text, err := h.body(c)
	if err != nil {
		return 0, err
	}
	given := strings.TrimSpace(c.values.Get("q"))
	q := given != "" && !emptyList(given) // an empty q would match all documents
	switch {
	case text == nil && !q:
		return 0, httperr.New(http.StatusBadRequest, httperr.BadQuery, "name the documents: with a JSON array of ids as the body, or with q; q={} means all")
	case text != nil && q:
		return 0, httperr.New(http.StatusBadRequest, httperr.BadQuery, "name the documents once: with a JSON array of ids as the body, or with q")
	}
	if q {
		if err := c.needToRead("a query"); err != nil {
			return 0, err
		}
	}
	if err := c.take(1); err != nil {
		return 0, err
	}
	if q {
		return h.removeFound(c)
	}
	var ids []string
	if json.Unmarshal(text, &ids) != nil || ids == nil {
		return 0, httperr.New(http.StatusBadRequest, httperr.BadJSON, "the body must be a JSON array of ids")
	}
	return c.removed(h.o.Documents.Remove(c.Request().Context(), c.collection, ids, true))
}

var errEnough = errors.New("there are enough")

// removeFound deletes all documents that q matches, or at most max of them. One request deletes at most MaxChangeDocuments documents,
// and MaxChangeBytes of them. If q matches more, a max up to MaxChangeDocuments lets the request delete a part; without such a max, the
// request is refused.
func (h *Handler) removeFound(c *call) (int, error) {
	s, err := parseSelection(c.values)
	if err != nil {
		return 0, err
	}
	if len(s.order) > 0 || s.skip > 0 {
		return 0, httperr.New(http.StatusBadRequest, httperr.BadQuery, "DELETE takes q, filter and max, but no order and no skip: narrow q instead")
	}
	bounded := s.bounded && s.max <= documents.MaxChangeDocuments
	var found []documents.Found
	size, more := 0, false
	err = h.o.Documents.Each(c.Request().Context(), c.collection, s.condition, func(text []byte) error {
		if bounded && len(found) == s.max {
			return errEnough
		}
		if size += len(text); len(found) == documents.MaxChangeDocuments || size > documents.MaxChangeBytes && len(found) > 0 {
			more = true
			return errEnough
		}
		found = append(found, h.o.Documents.Found(text))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	if more && !bounded {
		return 0, httperr.New(http.StatusRequestEntityTooLarge, httperr.TooManyDocuments,
			"q asks for more than %d documents, or %d bytes of them, the most that one request deletes; add max=%d, and repeat the request until its result is empty",
			documents.MaxChangeDocuments, documents.MaxChangeBytes, documents.MaxChangeDocuments)
	}
	return c.removed(h.o.Documents.RemoveWhere(c.Request().Context(), c.collection, found, s.condition))
}
