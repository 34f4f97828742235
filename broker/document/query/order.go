package query

// Term is one field of an order.
type Term struct {
	Field      Field
	Descending bool
}

// Order sorts documents by fields, the first one first. Ties are the caller's, by the documents' ids.
type Order []Term

// Check refuses an order of too many fields.
func (o Order) Check() error {
	if len(o) > MaxFields {
		return Refuse(TooMany, "the order has %d fields: at most %d are taken", len(o), MaxFields)
	}
	return nil
}

// Compare orders two documents.
func (o Order) Compare(a, b []byte) int {
	for _, t := range o {
		if c := Compare(t.Field.At(a), t.Field.At(b)); c != 0 {
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
	for _, t := range o {
		from := len(dst)
		dst = appendKey(dst, t.Field.At(doc), maxOrderText)
		if t.Descending {
			for i := from; i < len(dst); i++ {
				dst[i] = ^dst[i]
			}
		}
	}
	return dst
}
