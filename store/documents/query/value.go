package query

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"

	"github.com/tidwall/gjson"
)

// kind is a value's place in the order of kinds, and the first byte of its key. The order is MongoDB's:
// null and missing, numbers, strings, objects, arrays, false, true.
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

// alike says whether two values may stand on either side of < : those of one kind, and booleans.
func alike(a, b gjson.Result) bool {
	return min(kindOf(a), falseKind) == min(kindOf(b), falseKind)
}

// Compare orders any two JSON values. A missing value (the zero Result) equals null; numbers compare as float64, large
// ones that fall on the same one by their digits; strings compare by their bytes; objects and arrays by their compact
// text, since nobody asks for more than that equal ones are equal.
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

// maxKeyText is how many bytes of a text a key holds: keys of an index stay small, and what they hold in common
// beyond that is seldom what tells values apart.
const maxKeyText = 256

// AppendKey appends a spelling of v whose bytes sort as Compare orders values. It says itself where it ends, so
// that more may follow. Texts longer than 256 bytes are cut: those that differ only behind that have one key, as have
// large numbers of one float64. Such a key narrows to them but does not tell them apart.
func AppendKey(dst []byte, v gjson.Result) []byte { return appendKey(dst, v, maxKeyText) }

// AppendExactKey is AppendKey for who tells values apart by their keys: nothing is cut.
func AppendExactKey(dst []byte, v gjson.Result) []byte { return appendKey(dst, v, math.MaxInt) }

func appendKey(dst []byte, v gjson.Result, limit int) []byte {
	k := kindOf(v)
	dst = append(dst, byte(k))
	switch k {
	case numberKind:
		dst = binary.BigEndian.AppendUint64(dst, numberKey(v.Num))
		if limit > maxKeyText && inexact(v) { // keys of indexes are stored, and stay as they are
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

// numberKey turns a float64 into bits that sort alike: negative ones are inverted, others lie above them.
func numberKey(f float64) uint64 {
	if f != f {
		return 0 // never in JSON; below all, as cmp.Compare has it
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

// The ends of a text in a key. Both sort below any byte that may follow, as 00 in a text is written 00 FF; a text
// that was cut sorts behind the one that is as long as the cut.
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

// following is the least spelling that sorts behind everything that begins with key.
func following(key []byte) []byte {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] != 0xFF {
			next := append([]byte(nil), key[:i+1]...)
			next[i]++
			return next
		}
	}
	return []byte{0xFF} // no key begins with it
}

// Cut reports whether a key that AppendKey made, with more behind it, may stand for several values: for a text that was
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
