package query

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"

	"github.com/tidwall/gjson"
)

// kind is the kind of a value, and the first byte of its key. The order is MongoDB's: null and missing, numbers,
// strings, objects, arrays, false, true.
type kind byte

const (
	nullKind   kind = 0x10
	numberKind kind = 0x20
	stringKind kind = 0x30
	objectKind kind = 0x40
	arrayKind  kind = 0x50
	falseKind  kind = 0x60
	trueKind   kind = 0x61
)

func kindOf(v gjson.Result) kind {
	switch v.Type {
	case gjson.Number:
		return numberKind
	case gjson.String:
		return stringKind
	case gjson.JSON:
		if v.IsArray() {
			return arrayKind
		}
		return objectKind
	case gjson.False:
		return falseKind
	case gjson.True:
		return trueKind
	}
	return nullKind
}

// alike reports whether < may compare two values: they have one kind, or are booleans.
func alike(a, b gjson.Result) bool {
	return min(kindOf(a), falseKind) == min(kindOf(b), falseKind)
}

// Compare orders any two JSON values. A missing value (the zero Result) equals null. Numbers compare as float64, and
// large ones with the same float64 by their digits. Strings compare by their bytes. Objects and arrays compare by their
// compact text, since it only matters that equal ones are equal.
func Compare(a, b gjson.Result) int {
	ka, kb := kindOf(a), kindOf(b)
	if ka != kb {
		return cmp.Compare(ka, kb)
	}
	switch ka {
	case numberKind:
		return compareNumbers(a, b)
	case stringKind:
		return strings.Compare(a.Str, b.Str)
	case objectKind, arrayKind:
		return strings.Compare(a.Raw, b.Raw)
	}
	return 0
}

// maxKeyText is how many bytes of a text a key contains. Keys of an index stay small, and values seldom differ only
// after that many bytes.
const maxKeyText = 256

// AppendKey appends an encoding of v whose bytes sort as Compare orders values. It has its own end mark, so more may
// follow. Texts longer than 256 bytes are cut. So texts that differ only after that have one key, as have large numbers
// with one float64. Such a key narrows a search to these values but does not distinguish them.
func AppendKey(dst []byte, v gjson.Result) []byte { return appendKey(dst, v, maxKeyText) }

// AppendExactKey is AppendKey for callers that must distinguish values by their keys: nothing is cut.
func AppendExactKey(dst []byte, v gjson.Result) []byte { return appendKey(dst, v, math.MaxInt) }

func appendKey(dst []byte, v gjson.Result, limit int) []byte {
	k := kindOf(v)
	dst = append(dst, byte(k))
	switch k {
	case numberKind:
		dst = binary.BigEndian.AppendUint64(dst, numberKey(v.Num))
		if limit > maxKeyText && inexact(v) { // keys of indexes are stored, so their form cannot change
			dst = appendExact(dst, v)
		}
		return dst
	case stringKind:
		return appendText(dst, v.Str, limit)
	case objectKind, arrayKind:
		return appendText(dst, v.Raw, limit)
	}
	return dst
}

// numberKey turns a float64 into bits that sort in the same order: negative numbers are inverted, others are above
// them.
func numberKey(f float64) uint64 {
	if f != f {
		return 0 // NaN is never in JSON; it sorts first, as in cmp.Compare
	}
	if f == 0 {
		f = 0 // -0 equals 0
	}
	if bits := math.Float64bits(f); bits>>63 == 0 {
		return bits | 1<<63
	} else {
		return ^bits
	}
}

// The end marks of a text in a key. Both sort below any byte that may follow, since 00 in a text becomes 00 FF. A text
// that was cut sorts after the text that is just as long as the cut.
const (
	endOfText = "\x00\x01"
	cutText   = "\x00\x02"
)

func appendText(dst []byte, s string, limit int) []byte {
	end := endOfText
	if len(s) > limit {
		s, end = s[:limit], cutText
	}
	return append(appendEscaped(dst, s), end...)
}

func appendEscaped(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(append(dst, s[:i]...), 0, 0xFF)
		s = s[i+1:]
	}
}

// following is the least key that sorts after everything that begins with key.
func following(key []byte) []byte {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] != 0xFF {
			next := append([]byte(nil), key[:i+1]...)
			next[i]++
			return next
		}
	}
	return []byte{0xFF} // no key begins with 0xFF
}

// Cut reports whether a key from AppendKey, with more after it, may stand for several values: it has a text that was
// cut, or a large number.
func Cut(key []byte) bool {
	if len(key) > 8 && kind(key[0]) == numberKind {
		bits := binary.BigEndian.Uint64(key[1:])
		return bits >= numberKey(exactBelow) || bits <= numberKey(-exactBelow)
	}
	if len(key) == 0 || kind(key[0]) != stringKind && kind(key[0]) != objectKind && kind(key[0]) != arrayKind {
		return false
	}
	for key = key[1:]; ; {
		i := bytes.IndexByte(key, 0)
		if i < 0 || i+1 >= len(key) {
			return false
		}
		if key[i+1] != 0xFF {
			return key[i+1] == cutText[1]
		}
		key = key[i+2:]
	}
}
