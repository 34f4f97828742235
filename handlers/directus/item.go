package directus

import (
	"cmp"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/store/documents"
)

// Names of the fields that belong to the store, which calls them _id and _created.
const (
	fieldID      = "id"
	fieldCreated = "date_created"
)

// appendItem appends a document in Directus' form: its id first, then its own fields, then the time of its creation. It
// leaves out the store's other metafields, and own fields that have one of these two names.
func appendItem(dst, text []byte) []byte {
	dst = append(dst, '{')
	begun, created := len(dst), ""
	add := func(name, value string) {
		if len(dst) > begun {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, name...), ':'), value...)
	}
	gjson.ParseBytes(text).ForEach(func(name, value gjson.Result) bool {
		switch {
		case name.Str == "_id":
			add(`"`+fieldID+`"`, value.Raw)
		case name.Str == "_created":
			created = value.Raw
		case name.Str == fieldID, name.Str == fieldCreated, slices.Contains(documents.MetaFields, name.Str):
		default:
			add(name.Raw, value.Raw)
		}
		return true
	})
	if created != "" {
		add(`"`+fieldCreated+`"`, created)
	}
	return append(dst, '}')
}

// show appends a document as an item, with the fields that the query asks for.
func (q *itemsQuery) show(dst, text []byte) []byte {
	return appendItem(dst, q.projection.Append(nil, text))
}

// appendList appends documents as an array of items.
func (q *itemsQuery) appendList(dst []byte, texts [][]byte) []byte {
	dst = append(dst, '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = q.show(dst, text)
	}
	return append(dst, ']')
}

// arrange returns the documents among texts that a query selects, in the query's order. Pages and offsets are for
// lists, so arrange ignores them. It also ignores the default limit.
func (q *itemsQuery) arrange(texts [][]byte) [][]byte {
	var out [][]byte
	for _, text := range texts {
		if q.condition.Match(text) {
			out = append(out, text)
		}
	}
	if len(q.order) > 0 {
		slices.SortStableFunc(out, func(a, b []byte) int {
			tie := cmp.Compare(documents.ID(a), documents.ID(b))
			if q.order[0].Descending {
				tie = -tie
			}
			return cmp.Or(q.order.Compare(a, b), tie)
		})
	}
	if q.limited && q.limit >= 0 && len(out) > q.limit {
		out = out[:q.limit]
	}
	return out
}

// idOf parses an id: a string, or a number in the client's spelling. It returns "" for an id that no document can have.
func idOf(v gjson.Result) string {
	id := v.Str
	if v.Type == gjson.Number {
		id = v.Raw
	}
	if documents.CheckID(id) != nil {
		return ""
	}
	return id
}
