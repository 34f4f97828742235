// Package syntax is what doors and models share for JSON as text: why a client's JSON (or CBOR) cannot be read, in
// plain words, and how to quote a text.
package syntax

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Explain returns what a client may see of a decoder's error: what is wrong and where, without names of libraries or Go
// types.
func Explain(err error) string {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "it ends too early"
	case errors.As(err, &kind) && kind.Field == "":
		return "it must not be " + article(kind.Value)
	case errors.As(err, &kind):
		// Since Go 1.24 the field name includes embedded structs.
		return fmt.Sprintf("field %q must not hold %s", kind.Field[strings.LastIndexByte(kind.Field, '.')+1:], article(kind.Value))
	}
	text := err.Error()
	for _, library := range []string{"jsontext: ", "json: ", "cbor: "} {
		text = strings.TrimPrefix(text, library)
	}
	text, _, _ = strings.Cut(text, " into Go ")
	return text
}

func article(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	return "a " + kind
}
