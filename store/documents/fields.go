package documents

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Fields are a document's own fields in their order, without the metafields. The zero Fields have none.
type Fields struct {
	names  []string
	values [][]byte // compact JSON
}

// maxNested is how deep a document may be nested, since some of our readers are recursive.
const maxNested = 100

// ParseFields reads a JSON object. It skips metafields, since clients send back whole documents. id is the _id, or ""
// if there is none or it is no string.
func ParseFields(text []byte) (f Fields, id string, err error) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return f, "", ErrShape
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return f, "", fmt.Errorf("%w: %w", ErrShape, err)
		}
		field := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return f, "", fmt.Errorf("%w: %w", ErrShape, err)
		}
		if value = value.Clone(); value.Compact() != nil || nested(value) > maxNested {
			return f, "", ErrShape
		}
		switch {
		case field == "_id":
			if s, err := jsontext.AppendUnquote(nil, value); err == nil && value[0] == '"' {
				id = string(s)
			}
		case !isMeta(field):
			f.names, f.values = append(f.names, field), append(f.values, value)
		}
	}
	if _, err := d.ReadToken(); err != nil { // the closing brace
		return f, "", fmt.Errorf("%w: %w", ErrShape, err)
	}
	if d.PeekKind() != 0 || d.InputOffset() < int64(len(bytes.TrimRight(text, " \t\r\n"))) {
		return f, "", ErrShape
	}
	return f, id, nil
}

// nested is how deep valid JSON is nested.
func nested(value []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			most = max(most, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return most
}

// Get is a field's value, or nil if there is none.
func (f *Fields) Get(name string) []byte {
	if i := slices.Index(f.names, name); i >= 0 {
		return f.values[i]
	}
	return nil
}

// Set sets a field to compact JSON. A new field goes to the end.
func (f *Fields) Set(name string, value []byte) {
	if i := slices.Index(f.names, name); i >= 0 {
		f.values[i] = value
		return
	}
	f.names, f.values = append(f.names, name), append(f.values, value)
}

// Delete removes a field.
func (f *Fields) Delete(name string) {
	if i := slices.Index(f.names, name); i >= 0 {
		f.names, f.values = slices.Delete(f.names, i, i+1), slices.Delete(f.values, i, i+1)
	}
}

// Merge sets all fields of another document. It is fast for many fields: a request may have as many as fit into it.
func (f *Fields) Merge(with Fields) {
	indexes := make(map[string]int, len(f.names))
	for i, name := range f.names {
		indexes[name] = i
	}
	for i, name := range with.names {
		if at, ok := indexes[name]; ok {
			f.values[at] = with.values[i]
			continue
		}
		f.names, f.values = append(f.names, name), append(f.values, with.values[i])
	}
}

// Names are the names of the fields, in order.
func (f *Fields) Names() []string { return f.names }
