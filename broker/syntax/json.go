package syntax

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// JSON returns what is wrong with a text that is not JSON, what was expected there, and where that is. Where the text
// is JSON, it explains err, which is why it was refused.
func JSON(text []byte, err error) string {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(!errors.Is(err, jsontext.ErrDuplicateName)))
	for tokens := 0; ; tokens++ {
		if tokens > 0 && d.StackDepth() == 0 {
			return afterEnd(text, int(d.InputOffset()), err)
		}
		if _, fault := d.ReadToken(); fault != nil {
			return describe(d, text, fault)
		}
	}
}

// afterEnd says what stands behind a whole value, if anything does.
func afterEnd(text []byte, end int, err error) string {
	at := end + blanks(text[end:])
	if at == len(text) {
		return Explain(err)
	}
	return fmt.Sprintf("%s: expected nothing more behind the first value, but there is %s", where(text, at), found(text[at:]))
}

// describe says what was expected behind the tokens that were read.
func describe(d *jsontext.Decoder, text []byte, fault error) string {
	at := int(d.InputOffset())
	at += blanks(text[at:])
	kind, length := d.StackIndex(d.StackDepth())
	want, then := expected(kind, length)
	if then != "" && at < len(text) && (text[at] == ',' || text[at] == ':') && separates(text[at], kind, length) {
		at++
		at += blanks(text[at:])
		want = then
	}
	if at < len(text) && starts(text[at], want) { // the token itself is at fault
		var in *jsontext.SyntacticError
		isSyntax := errors.As(fault, &in)
		if isSyntax && errors.Is(fault, jsontext.ErrDuplicateName) {
			return fmt.Sprintf("%s: the name %q is there twice", where(text, at), in.JSONPointer.LastToken())
		}
		if isSyntax && !errors.Is(fault, io.ErrUnexpectedEOF) {
			return fmt.Sprintf("%s: %v", where(text, min(int(in.ByteOffset), len(text))), in.Err)
		}
		return fmt.Sprintf("%s: what begins here has no end: the text ends too early", where(text, at))
	}
	if at == len(text) {
		return fmt.Sprintf("%s: expected %s, but the text ends too early", where(text, at), want)
	}
	return fmt.Sprintf("%s: expected %s, but there is %s", where(text, at), want, found(text[at:]))
}

const (
	aValue = "a value"
	aName  = "a name in double quotes"
)

// expected returns what may follow in an object or list of so many members, and what may follow once there was a
// separator.
func expected(kind jsontext.Kind, length int64) (now, afterSeparator string) {
	switch {
	case kind == '{' && length == 0:
		return aName + ` or "}"`, ""
	case kind == '{' && length%2 == 1:
		return `":"`, aValue
	case kind == '{':
		return `"," or "}"`, aName
	case kind == '[' && length == 0:
		return aValue + ` or "]"`, ""
	case kind == '[':
		return `"," or "]"`, aValue
	}
	return aValue, ""
}

// separates reports whether a separator is the one that is due.
func separates(c byte, kind jsontext.Kind, length int64) bool {
	if kind == '{' && length%2 == 1 {
		return c == ':'
	}
	return c == ','
}

// starts reports whether a token of the wanted kind begins with c.
func starts(c byte, want string) bool {
	if c == '"' {
		return want != `":"` && want[0] == 'a'
	}
	value := bytes.HasPrefix([]byte(want), []byte(aValue))
	return value && (c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f' || c == 'n')
}

func blanks(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " \t\r\n")) }

// found names what stands at the beginning of a text.
func found(text []byte) string {
	r, _ := utf8.DecodeRune(text)
	if r == utf8.RuneError {
		return "no UTF-8"
	}
	return fmt.Sprintf("%q", r)
}

// where is a place as editors name it.
func where(text []byte, at int) string {
	before := text[:at]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("line %d, column %d", line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])+1)
}
