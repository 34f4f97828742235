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

// Order sorts documents by fields, the first one first. Ties are the caller's, by the documents' ids.
type Order []Term

// value is what a document is sorted by.
func (t *Term) value(doc []byte) gjson.Result { return t.Rules.sorted(t.Field.At(doc)) }

// Unordered reports whether documents around a key of an index on the field may lie in another order there: as the key
// stands for several values, or for a text among which moments lie in several spellings.
func (t *Term) Unordered(key []byte) bool {
	if t.Rules == SQL && !strings.HasPrefix(t.Field.path, "_") && len(key) > 1 && kind(key[0]) == stringKind && key[1] >= '0' && key[1] <= '9' {
		return true
	}
	return Cut(key)
}

// Check refuses an order of too many fields.
func (o Order) Check() error {
	if len(o) > MaxFields {
		return Refuse(TooMany, "the order has %d fields: at most %d are taken", len(o), MaxFields)
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

// maxOrderText is how many bytes of a text an order's key holds, since thousands of keys are held at once. Texts that
// have all of them in common are a tie, unlike in Compare.
const maxOrderText = 1 << 10

// AppendKey appends what sorts as the documents do, for those who hold many and not the documents. It ends itself,
// so that an id may follow as the tie's end.
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
