package documents

// minFieldBytes is the least size of a field in a document: two quotes, a colon, a value, and a comma or a brace.
const minFieldBytes = 5

// fewFields is the number of fields that is always allowed, even if MAX_DOCUMENT is small: a request has other fields
// besides those of its documents.
const fewFields = 1000

// CheckWidth refuses JSON in which one document has more fields than fit into MAX_DOCUMENT. Doors call it before they
// parse: it is one pass over the text, while finding a field that occurs twice takes a hundred times as long. Documents
// are the elements of the arrays at depth, which counts from 1. Without such an array the text is one document. The
// text may be invalid JSON.
func (s *Store) CheckWidth(text []byte, depth int) error {
	most := max(s.o.MaxDocument/minFieldBytes, fewFields)
	if len(text) <= most*minFieldBytes {
		return nil
	}
	around, inside := 0, 0 // fields outside of the documents, and in the current one
	level, quoted, list := 0, false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if level++; level == depth {
				list = c == '['
			}
		case c == '}' || c == ']':
			level--
		case c == ',' && level == depth && list:
			inside = 0
		case c == ':' && level < depth:
			around++
		case c == ':':
			inside++
		}
		if max(around, inside) > most {
			return s.tooLarge()
		}
	}
	return nil
}

func (s *Store) tooLarge() error {
	return &LimitError{"the document would have more than %d bytes", int64(s.o.MaxDocument), MaxDocument}
}
