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

// ExplainJSON returns what a client may be told of a text that is not one JSON value, without a name twice in an object:
// where it goes wrong, and what was expected there.
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

// explainRest tells of what follows a whole value.
func explainRest(text []byte, from int64) string {
	rest := bytes.TrimLeft(text[from:], blanks)
	return fmt.Sprintf("%s, where nothing more was expected", place(text, len(text)-len(rest)))
}

// explainToken tells of a token that could not be read, which begins somewhere behind an offset.
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
		at = len(text) - len(bytes.TrimLeft(text[at+1:], blanks)) // the comma is right, and what follows it is not
	}
	before := bytes.TrimRight(text[from:at], blanks)
	switch string(bytes.TrimLeft(before, blanks)) {
	case "", ",", ":":
		return fmt.Sprintf("%s, where %s was expected", place(text, at), expected(d, before))
	}
	if ended {
		return place(text, at) + ", within a value or a name"
	}
	return Explain(err)
}

// place tells where in a text something is wrong, and what stands there.
func place(text []byte, at int) string {
	if at >= len(text) {
		return fmt.Sprintf("it ends at byte %d", len(text))
	}
	r, _ := utf8.DecodeRune(text[at:])
	return fmt.Sprintf("byte %d is %q", at+1, r)
}

// expected names what may follow where a decoder stands, and behind a comma or colon that it has not taken yet.
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
