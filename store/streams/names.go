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

// How names are mapped, so that /realtime can carry all of them:
//
// What no name may hold there (control characters, : * , and white space at the ends), and % ~ /, is written as
// %XX, byte by byte. Where the whole is a name that is reserved there, its first byte is. A stream of a
// namespace is NAMESPACE/STREAM, one of the unnamed namespace STREAM alone. Percent-decoding gives the name
// back.
//
// What is longer than 128 bytes then is cut, and a ~ and 32 hex digits of its SHA-256 take the place of the
// rest; the event's record keeps the name as it was.

// shortTail is the length of what takes the place of the rest.
const shortTail = 1 + 32

// maxNamespace bounds a namespace's part of a stream's mapped name, so that the stream has room.
const maxNamespace = channel.MaxName/2 - 1

// MapType is the name of an event of a type. guard may make it longer by two bytes.
func MapType(name string) string { return guard(shorten(escape(name), name, channel.MaxName-2)) }

// MapStream is the name of a stream in the log.
func MapStream(namespace, stream string) string {
	if namespace == "" {
		return shorten(escape(stream), stream, channel.MaxName)
	}
	prefix := MapNamespace(namespace)
	return prefix + shorten(escape(stream), stream, channel.MaxName-len(prefix))
}

// MapNamespace is what the names of all streams of a namespace begin with.
func MapNamespace(namespace string) string {
	if namespace == "" {
		return ""
	}
	return shorten(escape(namespace), namespace, maxNamespace) + "/"
}

// escape writes what must not be in a name as %XX.
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

// guard escapes the first byte of what is no name of an event.
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

// Given is the type that a name in /realtime stands for: mapped or, where it cannot be that, as it is.
func Given(name string) string {
	s, whole := unmap(name)
	if !whole {
		return name
	}
	return s
}

// GivenStream is the namespace and stream that a name in /realtime stands for.
func GivenStream(name string) (namespace, stream string) {
	first, second, named := strings.Cut(name, "/")
	if !named {
		return "", Given(first)
	}
	return Given(first), Given(second)
}

// unmap gives a name back; false where it was cut.
func unmap(mapped string) (string, bool) {
	if strings.Contains(mapped, "~") {
		return mapped, false
	}
	name, err := url.PathUnescape(mapped)
	return name, err == nil
}

// unmapStream parts a stream's mapped name; false where one of the two was cut.
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

// NewID is a random UUID (RFC 9562, version 4), as the clients make them.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
