package query

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Term is one field of an order.
type Term struct {
	Field      Field
	Descending bool
	Rules      Rules
}

// Order sorts documents by fields, the first field first. The caller orders documents that compare equal, by their ids.
type Order []Term

// value is the value that a document is sorted by.
func (t *Term) value(doc []byte) gjson.Result { return t.Rules.sorted(t.Field.At(doc)) }

// Unordered reports whether the order of an index around a key may differ from that of the documents. The key may stand
// for several values, or for a text in a range where moments in several formats may be.
func (t *Term) Unordered(key []byte) bool {
	if t.Rules == SQL && !strings.HasPrefix(t.Field.path, "_") && len(key) > 1 && kind(key[0]) == stringKind && key[1] >= '0' && key[1] <= '9' {
		return true
	}
	return Cut(key)
}

// Check refuses an order with too many fields.
func (o Order) Check() error {
	if len(o) > MaxFields {
		return Refuse(TooMany, "the order has %d fields: at most %d are allowed", len(o), MaxFields)
	}
	return nil
}

// Compare orders two documents.
func (o Order) Compare(a, b []byte) int {
	for i := range o {
		t := &o[i]
		if c := Compare(t.value(a), t.value(b)); c != 0 {
			if t.Descending {
				return -c
			}
			return c
		}
	}
	return 0
}

// maxOrderText is how many bytes of a text a sort key contains, since thousands of keys are in memory at once. Unlike
// in Compare, texts that have these bytes in common are equal.
const maxOrderText = 1 << 10

// AppendKey appends a key that sorts as the documents do, for callers that have no room for the documents. The key has
// its own end mark, so the id may follow to order equal ones.
func (o Order) AppendKey(dst, doc []byte) []byte {
	for i := range o {
		t := &o[i]
		from := len(dst)
		dst = appendKey(dst, t.value(doc), maxOrderText)
		if t.Descending {
			for at := from; at < len(dst); at++ {
				dst[at] = ^dst[at]
			}
		}
	}
	return dst
}
