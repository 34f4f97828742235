package directus

import (
	"cmp"
	"slices"

	"github.com/tidwall/gjson"

	"sluice/store/documents"
)

// Fields of an item that are the store's own.
const (
	fieldID      = "id"
	fieldCreated = "date_created"
)

// appendItem appends what is shown of a document, as Directus has it: its id first, its own fields, and when it was
// made. The store's other metafields are not shown, nor fields of its own that have these two names.
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

// show is a document as the item that a query shows of it.
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

// arrange is what a query selects out of some documents, in its order. Pages and offsets are of lists, and do nothing
// here; nor does a limit that nobody has asked for.
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

// idOf reads an id: a string, or a number as the client spells it. It returns "" for an id that no document can have.
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
