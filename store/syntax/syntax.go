// Package syntax is what doors and models share of JSON as text: why a client's JSON (or CBOR) cannot be read, in plain
// words, and how a text is quoted.
package syntax

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Explain returns what a client may be told of a decoder's error: what is wrong and where, and no name of a library or
// of a type of Go.
func Explain(err error) string {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "it ends too early"
	case errors.As(err, &kind) && kind.Field == "":
		return "it must not be " + article(kind.Value)
	case errors.As(err, &kind):
		// Go 1.24 names the embedded structs too.
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
