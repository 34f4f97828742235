package documents

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Fields are a document's own, in their order, without the metafields. The zero Fields have none.
type Fields struct {
	names  []string
	values [][]byte // compact JSON
}

// maxNested is how deep a document may be nested: readers of ours recurse into it.
const maxNested = 100

// ParseFields reads a JSON object. Names of metafields in it are left out: clients send back whole documents. The id
// is what it has as _id, "" where it has none, or that is no string.
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

// nested is how deep valid JSON goes.
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

// Get is a field's value, nil where there is none.
func (f *Fields) Get(name string) []byte {
	if i := slices.Index(f.names, name); i >= 0 {
		return f.values[i]
	}
	return nil
}

// Set sets a field to compact JSON: in its place where it is there, else at the end.
func (f *Fields) Set(name string, value []byte) {
	if i := slices.Index(f.names, name); i >= 0 {
		f.values[i] = value
		return
	}
	f.names, f.values = append(f.names, name), append(f.values, value)
}

// Delete takes a field away.
func (f *Fields) Delete(name string) {
	if i := slices.Index(f.names, name); i >= 0 {
		f.names, f.values = slices.Delete(f.names, i, i+1), slices.Delete(f.values, i, i+1)
	}
}

// Merge sets all fields of another. There may be as many as a request has room for.
func (f *Fields) Merge(with Fields) {
	places := make(map[string]int, len(f.names))
	for i, name := range f.names {
		places[name] = i
	}
	for i, name := range with.names {
		if at, ok := places[name]; ok {
			f.values[at] = with.values[i]
			continue
		}
		f.names, f.values = append(f.names, name), append(f.values, with.values[i])
	}
}

// Names are those of the fields, in order.
func (f *Fields) Names() []string { return f.names }
