package restdb

import (
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/broker/document/query"
)

// branch is a level of an answer that is grouped: what it holds by the values of one field, in the order they came.
type branch struct {
	names []string
	raws  map[string]string // the value that a name stands for
	below map[string]*branch
	list  [][]byte // at the end: documents
	leaf  []byte   // at the end: figures
}

// at is the branch of a value, which come in the order of query.Compare. Its name is its text, of a string what is in
// it; where "1" follows 1 it keeps its quotes.
func (b *branch) at(raw string) *branch {
	name := raw
	if v := gjson.Parse(raw); v.Type == gjson.String {
		name = v.Str
	}
	if was, taken := b.raws[name]; taken && was != raw {
		name = raw
	}
	if b.below == nil {
		b.below, b.raws = map[string]*branch{}, map[string]string{}
	}
	if b.below[name] == nil {
		b.names, b.raws[name], b.below[name] = append(b.names, name), raw, &branch{}
	}
	return b.below[name]
}

func (b *branch) append(dst []byte, p query.Projection) []byte {
	switch {
	case b.leaf != nil:
		return append(dst, b.leaf...)
	case b.list != nil:
		return appendList(dst, p, b.list)
	}
	dst = append(dst, '{')
	for i, name := range b.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = b.below[name].append(append(gjson.AppendJSONString(dst, name), ':'), p)
	}
	return append(dst, '}')
}

// grouped is an object of lists of documents, by the values of the fields grouped by and in their order.
func grouped(s *selection, texts [][]byte) []byte {
	top := &branch{}
	var byValue query.Order
	for _, f := range s.groupBy {
		byValue = append(byValue, query.Term{Field: f})
	}
	slices.SortStableFunc(texts, byValue.Compare)
	for _, text := range texts {
		b := top
		for _, f := range s.groupBy {
			raw := "null"
			if v := f.Value(text); v.Exists() {
				raw = v.Raw
			}
			b = b.at(raw)
		}
		b.list = append(b.list, text)
	}
	return top.append(nil, s.projection)
}

// aggregate answers with figures: one object, or one by each value of the fields grouped by.
func (h *Handler) aggregate(c *call, s *selection) error {
	a, err := query.NewAggregation(s.groupBy, s.aggregates)
	if err != nil {
		return err
	}
	if err := h.o.Documents.Each(c.Request().Context(), c.collection, s.condition, a.Add); err != nil {
		return err
	}
	top := &branch{}
	for _, g := range a.Groups() {
		b := top
		for _, raw := range g.By {
			b = b.at(raw)
		}
		b.leaf = figures(s.aggregates, g.Values)
	}
	return c.json(http.StatusOK, top.append(nil, s.projection))
}

func figures(of []query.Aggregate, values []string) []byte {
	text := []byte{'{'}
	for i, a := range of {
		if slices.ContainsFunc(of[:i], func(b query.Aggregate) bool { return a.As == b.As }) {
			continue // asked for twice
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(gjson.AppendJSONString(text, a.As), ':'), values[i]...)
	}
	return append(text, '}')
}
