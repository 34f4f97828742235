package restdb

import (
	"encoding/json"
	"fmt"
	"net/http"

	"sluice/store/documents"
	"sluice/store/documents/query"
)

// headerPagination is the header with a page's position in the whole list.
const headerPagination = "X-Pagination"

var withoutMeta, _ = query.Hide(metafields...)

// shown returns the projection for an answer with a single document.
func (c *call) shown() query.Projection {
	if c.values.Get("metafields") == "true" {
		return query.Projection{}
	}
	return withoutMeta
}

func (h *Handler) get(c *call) error {
	text, err := h.o.Documents.Get(c.Request().Context(), c.collection, c.id)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, c.shown().Append(nil, text))
}

func (h *Handler) list(c *call) error {
	s, err := parseSelection(c.values)
	if err != nil {
		return err
	}
	if len(s.aggregates) > 0 {
		return h.aggregate(c, s)
	}
	if s.count {
		s.skip, s.max, s.order, s.groupBy = 0, 0, nil, nil
	}
	r, err := h.o.Documents.Find(c.Request().Context(), c.collection, &documents.Query{
		Where: s.condition, Order: s.order, Skip: s.skip, Limit: s.max, Total: true,
	})
	if err != nil {
		return err
	}
	page, err := json.Marshal(struct {
		Total int64 `json:"total"`
		Count int   `json:"count"`
		Skip  int   `json:"skip"`
		Max   int   `json:"max"`
	}{r.Total, len(r.Documents), s.skip, s.max})
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerPagination, string(page))
	var text []byte
	if s.totals {
		text = append(text, `{"data":`...)
	}
	if len(s.groupBy) > 0 {
		groups, err := grouped(s, r.Documents)
		if err != nil {
			return err
		}
		text = append(text, groups...)
	} else {
		text = appendList(text, s.projection, r.Documents)
	}
	if s.count { // here RestDB counts all matching documents, not those of the page
		page = fmt.Appendf(nil, `{"count":%d}`, r.Total)
	}
	if s.totals {
		text = append(append(append(text, `,"totals":`...), page...), '}')
	}
	return c.json(http.StatusOK, text)
}
