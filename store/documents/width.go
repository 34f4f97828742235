package documents

// leastField is what a field takes of a document at least: two quotes, a colon, a value, and a comma or a brace.
const leastField = 5

// fewFields are never too many, however small MAX_DOCUMENT is: a request has fields beside those of its documents.
const fewFields = 1000

// CheckWidth refuses JSON with more fields in one document than MAX_DOCUMENT has room for. Doors ask it before they parse:
// it is one pass over the text, and to find out that no field is there twice takes a hundred times as long. Documents are
// the elements of arrays at a depth, from 1; where there is no such array, the text is one document. The text may be invalid.
func (s *Store) CheckWidth(text []byte, depth int) error {
	most := max(s.o.MaxDocument/leastField, fewFields)
	if len(text) <= most*leastField {
		return nil
	}
	around, inside := 0, 0 // fields above the depth, and of one document
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
