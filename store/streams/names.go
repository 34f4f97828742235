package streams

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice/channel"
)

// How names are mapped, so that /realtime can have all of them.
//
// Some characters become %XX, byte by byte: those that are not allowed in a name there (control characters, : * , and
// white space at the ends), and % ~ and /. If the whole name is reserved there, its first byte becomes %XX. A stream of
// a namespace is NAMESPACE/STREAM, and one of the unnamed namespace is STREAM alone. Percent-decoding gives the name
// back.
//
// If the result is longer than 128 bytes, it is cut, and ends with a ~ and 32 hex digits of its SHA-256. The event's
// record has the original name.

// shortTail is the length of the ~ and the digits.
const shortTail = 1 + 32

// maxNamespace bounds a namespace in a stream's mapped name, to leave room for the stream.
const maxNamespace = channel.MaxName/2 - 1

// MapType is the name of an event in the log for a type. guard may make it two bytes longer.
func MapType(name string) string { return guard(shorten(escape(name), name, channel.MaxName-2)) }

// MapStream is the name of a stream in the log.
func MapStream(namespace, stream string) string {
	if namespace == "" {
		return shorten(escape(stream), stream, channel.MaxName)
	}
	prefix := MapNamespace(namespace)
	return prefix + shorten(escape(stream), stream, channel.MaxName-len(prefix))
}

// MapNamespace is the prefix of the names of all streams of a namespace.
func MapNamespace(namespace string) string {
	if namespace == "" {
		return ""
	}
	return shorten(escape(namespace), namespace, maxNamespace) + "/"
}

// escape writes the characters that a name must not have as %XX.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, size = utf8.DecodeRuneInString(s[i:])
		}
		atEnd := (i == 0 || i+size == len(s)) && unicode.IsSpace(r)
		if atEnd || strings.ContainsRune(":*,%~/", r) || r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 || r == utf8.RuneError && size == 1 {
			for _, c := range []byte(s[i : i+size]) {
				appendHex(&b, c)
			}
			continue
		}
		b.WriteString(s[i : i+size])
	}
	return b.String()
}

func appendHex(b *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	b.WriteByte('%')
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}

// guard escapes the first byte of a reserved name.
func guard(s string) string {
	if s == "" {
		return s
	}
	_, method := channel.Method(s)
	if !method && channel.CheckEvent(s) == nil {
		return s
	}
	var b strings.Builder
	appendHex(&b, s[0])
	b.WriteString(s[1:])
	return b.String()
}

// shorten cuts a mapped name that is too long, between characters.
func shorten(mapped, name string, most int) string {
	if len(mapped) <= most {
		return mapped
	}
	hash := sha256.Sum256([]byte(name))
	keep := mapped[:most-shortTail]
	if i := strings.LastIndexByte(keep, '%'); i >= len(keep)-2 {
		keep = keep[:i]
	}
	for !utf8.ValidString(keep) {
		keep = keep[:len(keep)-1]
	}
	return keep + "~" + hex.EncodeToString(hash[:16])
}

// Given is the type that a name in /realtime means. A name that is no mapped one means itself.
func Given(name string) string {
	s, whole := unmap(name)
	if !whole {
		return name
	}
	return s
}

// GivenStream is the namespace and stream that a name in /realtime means.
func GivenStream(name string) (namespace, stream string) {
	first, second, named := strings.Cut(name, "/")
	if !named {
		return "", Given(first)
	}
	return Given(first), Given(second)
}

// unmap returns the original name, or false if the name was cut.
func unmap(mapped string) (string, bool) {
	if strings.Contains(mapped, "~") {
		return mapped, false
	}
	name, err := url.PathUnescape(mapped)
	return name, err == nil
}

// unmapStream splits a stream's mapped name. It returns false if one of the parts was cut.
func unmapStream(mapped string) (namespace, stream string, ok bool) {
	first, second, named := strings.Cut(mapped, "/")
	if !named {
		stream, ok = unmap(mapped)
		return "", stream, ok
	}
	namespace, first1 := unmap(first)
	stream, second1 := unmap(second)
	return namespace, stream, first1 && second1
}

// NewID is a random UUID (RFC 9562, version 4), as clients make them.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
