// Package object reads JSON objects by the exact names of their fields, as claims of tokens and answers of applications
// need it. encoding/json ignores case where it fills a struct, so that "EXP" could stand for "exp".
package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// decoder reads a JSON text as encoding/json does, but in a third of the time (BenchmarkAuthenticate).
func decoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

var errNoObject = errors.New("it is no JSON object")

// Members decodes a JSON object by the exact names of its fields, and refuses a repeated name. The values are parts of the
// text.
func Members(text []byte) (map[string]json.RawMessage, error) {
	d := decoder(text)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errNoObject
	}
	out := map[string]json.RawMessage{}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, errNoObject
		}
		name := t.String()
		if _, twice := out[name]; twice {
			return nil, errors.New("a field occurs twice")
		}
		v, err := d.ReadValue() // it is valid until the next call, but the text is longer
		if err != nil {
			return nil, errNoObject
		}
		end := int(d.InputOffset())
		out[name] = text[end-len(v) : end]
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errNoObject
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errors.New("something follows its JSON object")
	}
	return out, nil
}

// Strings reads a list of strings. It returns true if there is no value, and false and no list if the value has another
// shape.
func Strings(v json.RawMessage) ([]string, bool) {
	if len(v) == 0 {
		return nil, true
	}
	d := decoder(v)
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, false
	}
	out := make([]string, 0, bytes.Count(v, []byte{','})+1)
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		out = append(out, t.String())
	}
	if t, err := d.ReadToken(); err != nil || t.Kind() != ']' { // such as a number
		return nil, false
	}
	return out, true
}

// Kind names the type of a JSON value.
func Kind(v json.RawMessage) string {
	switch v[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
