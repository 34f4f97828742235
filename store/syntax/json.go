package syntax

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const blanks = " \t\r\n"

// ExplainJSON explains to a client why a text is not one JSON value with distinct names in each object: where it goes
// wrong, and what was expected there.
func ExplainJSON(text []byte) string {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		before := d.InputOffset()
		token, err := d.ReadToken()
		if err == nil && d.StackDepth() == 0 && !opens(token) {
			return explainRest(text, d.InputOffset())
		}
		if err != nil {
			return explainToken(d, text, before, err)
		}
	}
}

func opens(t jsontext.Token) bool { return t.Kind() == '{' || t.Kind() == '[' }

// explainRest explains text that follows a complete value.
func explainRest(text []byte, from int64) string {
	rest := bytes.TrimLeft(text[from:], blanks)
	return fmt.Sprintf("%s, where nothing more was expected", position(text, len(text)-len(rest)))
}

// explainToken explains a token that cannot be read, and that begins somewhere after an offset.
func explainToken(d *jsontext.Decoder, text []byte, from int64, err error) string {
	var wrong *jsontext.SyntacticError
	at := len(text)
	ended := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return Explain(err)
	case ended:
	case errors.As(err, &wrong):
		at = int(wrong.ByteOffset)
	default:
		return Explain(err)
	}
	if kind, count := d.StackIndex(d.StackDepth()); at < len(text) && text[at] == ',' && count > 0 && (kind == '[' || count%2 == 0) {
		at = len(text) - len(bytes.TrimLeft(text[at+1:], blanks)) // the comma is right, but not what follows it
	}
	before := bytes.TrimRight(text[from:at], blanks)
	switch string(bytes.TrimLeft(before, blanks)) {
	case "", ",", ":":
		return fmt.Sprintf("%s, where %s was expected", position(text, at), expected(d, before))
	}
	if ended {
		return position(text, at) + ", within a value or a name"
	}
	return Explain(err)
}

// position says where in a text something is wrong, and what is there.
func position(text []byte, at int) string {
	if at >= len(text) {
		return fmt.Sprintf("it ends at byte %d", len(text))
	}
	r, _ := utf8.DecodeRune(text[at:])
	return fmt.Sprintf("byte %d is %q", at+1, r)
}

// expected names what may come next at a decoder's position, and after a comma or colon that it has not read yet.
func expected(d *jsontext.Decoder, before []byte) string {
	kind, count := d.StackIndex(d.StackDepth())
	comma := strings.HasSuffix(string(before), ",")
	switch {
	case kind == '{' && count%2 == 1 && strings.HasSuffix(string(before), ":"):
		return "a value"
	case kind == '{' && count%2 == 1:
		return "a colon"
	case kind == '{' && comma:
		return "a name in double quotes"
	case kind == '{' && count == 0:
		return "a name in double quotes, or }"
	case kind == '{':
		return "a comma or }"
	case kind == '[' && count > 0 && !comma:
		return "a comma or ]"
	case kind == '[' && !comma:
		return "a value or ]"
	}
	return "a value"
}
