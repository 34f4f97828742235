package restdb

import (
	"net/http"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/store/documents/query"
)

// groupLevel is one level of a grouped answer: it groups by the values of one field.
type groupLevel struct {
	values []gjson.Result // each as first seen
	below  map[string]*groupLevel
	list   [][]byte // on the last level: documents
	leaf   []byte   // on the last level: figures
}

// at returns the level below for a value, and makes it if needed.
func (b *groupLevel) at(v gjson.Result) *groupLevel {
	m := valueKey(v)
	if b.below == nil {
		b.below = map[string]*groupLevel{}
	}
	if b.below[m] == nil {
		b.values, b.below[m] = append(b.values, v), &groupLevel{}
	}
	return b.below[m]
}

// append appends the level as JSON, in the order of its values. The name of a value is its JSON text, for a string without
// the quotes. A string keeps its quotes if the name is taken: "1" after the number 1.
func (b *groupLevel) append(dst []byte, p query.Projection) []byte {
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
		dst = b.below[valueKey(v)].append(append(gjson.AppendJSONString(dst, name), ':'), p)
	}
	return append(dst, '}')
}

// grouped returns an object of lists of documents, by the values of the fields to group by. The limit on groups is that of
// aggregates, because a group costs memory: by ten fields, one takes five kilobytes.
func grouped(s *selection, texts [][]byte) ([]byte, error) {
	top, groups := &groupLevel{}, 0
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

// aggregate answers with figures: one object, or one object for each group.
func (h *Handler) aggregate(c *call, s *selection) error {
	of := slices.Clone(s.aggregates)
	for i := range of { // RestDB's MIN and MAX return documents
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
	top := &groupLevel{}
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

// figures returns an object of the figures. Figures that are documents get the projection of a list.
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
