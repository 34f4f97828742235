package restdb

import (
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// branch is a level of an answer that is grouped: what it holds by the values of one field.
type branch struct {
	values []gjson.Result // each as it came first
	below  map[string]*branch
	list   [][]byte // at the end: documents
	leaf   []byte   // at the end: figures
}

// at is the branch of a value.
func (b *branch) at(v gjson.Result) *branch {
	m := mark(v)
	if b.below == nil {
		b.below = map[string]*branch{}
	}
	if b.below[m] == nil {
		b.values, b.below[m] = append(b.values, v), &branch{}
	}
	return b.below[m]
}

// append appends it in the order of its values. A value's name is its text, of a string what is in it; where "1" follows
// 1 it keeps its quotes.
func (b *branch) append(dst []byte, p query.Projection) []byte {
	switch {
	case b.leaf != nil:
		return append(dst, b.leaf...)
	case b.list != nil:
		return appendList(dst, p, b.list)
	}
	slices.SortStableFunc(b.values, query.Compare)
	taken := make(map[string]bool, len(b.values))
	dst = append(dst, '{')
	for i, v := range b.values {
		if i > 0 {
			dst = append(dst, ',')
		}
		name := v.Raw
		if v.Type == gjson.String && !taken[v.Str] {
			name = v.Str
		}
		taken[name] = true
		dst = b.below[mark(v)].append(append(gjson.AppendJSONString(dst, name), ':'), p)
	}
	return append(dst, '}')
}

// grouped is an object of lists of documents, by the values of the fields grouped by. There may be as many groups as an
// aggregate has: one by ten fields takes five kilobytes.
func grouped(s *selection, texts [][]byte) ([]byte, error) {
	top, groups := &branch{}, 0
	for _, text := range texts {
		b := top
		for _, f := range s.groupBy {
			v := f.At(text)
			if !v.Exists() {
				v.Raw = "null"
			}
			b = b.at(v)
		}
		if b.list == nil {
			groups++
		}
		if groups > query.MaxGroups {
			return nil, query.Refuse(query.TooMany, "there are more than %d groups: narrow the condition, or group by a field with fewer values", query.MaxGroups)
		}
		b.list = append(b.list, text)
	}
	return top.append(nil, s.projection), nil
}

// aggregate answers with figures: one object, or one by each value of the fields grouped by.
func (h *Handler) aggregate(c *call, s *selection) error {
	of := slices.Clone(s.aggregates)
	for i := range of { // RestDB's MIN and MAX are documents
		switch of[i].Func {
		case query.Min:
			of[i].Func = query.MinDocument
		case query.Max:
			of[i].Func = query.MaxDocument
		}
	}
	a, err := query.NewAggregation(s.groupBy, of)
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
			b = b.at(gjson.Parse(raw))
		}
		b.leaf = figures(s, g.Values)
	}
	text := top.append(nil, s.projection)
	if err := h.o.Documents.Hold(c.Request().Context(), text); err != nil {
		return err
	}
	return c.json(http.StatusOK, text)
}

// figures is an object of the figures, of which those that are documents are shown as a list would.
func figures(s *selection, values []string) []byte {
	text := []byte{'{'}
	for i, a := range s.aggregates {
		if slices.ContainsFunc(s.aggregates[:i], func(b query.Aggregate) bool { return a.As == b.As }) {
			continue // asked for twice
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(gjson.AppendJSONString(text, a.As), ':')
		if (a.Func == query.Min || a.Func == query.Max) && values[i] != "null" {
			text = s.projection.Append(text, []byte(values[i]))
		} else {
			text = append(text, values[i]...)
		}
	}
	return append(text, '}')
}
