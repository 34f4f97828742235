package driftdb

import "math"

// The major types of CBOR.
const (
	majorUint  = 0 << 5
	majorNeg   = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorArray = 4 << 5
	majorMap   = 5 << 5
	majorTag   = 6 << 5
	majorOther = 7 << 5 // simple values and floats
)

// cborBreak ends an item of unknown count.
const cborBreak = 0xff

// unknownCount is the count of an item that a break ends.
const unknownCount = math.MaxUint64

// readHead reads the major type and the count at the start of b, which must be well-formed.
func readHead(b []byte) (major byte, n uint64, rest []byte) {
	major, count, rest := b[0]&0xe0, b[0]&0x1f, b[1:]
	switch {
	case count < 24:
		return major, uint64(count), rest
	case count == 31:
		return major, unknownCount, rest
	}
	width := 1 << (count - 24)
	for _, one := range rest[:width] {
		n = n<<8 | uint64(one)
	}
	return major, n, rest[width:]
}

// skip returns the bytes after the first item of b, which must be well-formed.
func skip(b []byte) []byte {
	major, n, rest := readHead(b)
	whole := b[0]&0x1f != 31
	switch {
	case major == majorTag:
		return skip(rest)
	case major == majorUint, major == majorNeg, major == majorOther:
		return rest
	case whole && (major == majorBytes || major == majorText):
		return rest[n:]
	case whole && major == majorMap:
		n *= 2
	}
	for ; n > 0; n-- {
		if !whole && rest[0] == cborBreak {
			return rest[1:]
		}
		rest = skip(rest)
	}
	return rest
}

// The tags that the decoder interprets: dates and large numbers (RFC 8949, 3.4). It refuses them around content of the wrong
// type.
const (
	tagDate     = 0
	tagTime     = 1
	tagBignum   = 2
	tagNegative = 3
)

// dropTags appends the first item of b, which must be well-formed, without the tags that the decoder refuses. Clients may
// send such tags, and the gateway then reads only their content.
func dropTags(dst, b []byte) (out, rest []byte) {
	major, n, rest := readHead(b)
	whole := b[0]&0x1f != 31
	if major == majorTag {
		if n > tagNegative || decodes(n, b, rest) {
			dst = append(dst, b[:len(b)-len(rest)]...)
		}
		return dropTags(dst, rest)
	}
	dst = append(dst, b[:len(b)-len(rest)]...)
	switch {
	case major == majorUint, major == majorNeg, major == majorOther:
		return dst, rest
	case whole && (major == majorBytes || major == majorText):
		return append(dst, rest[:n]...), rest[n:]
	case major == majorMap && whole:
		n *= 2
	}
	for ; n > 0; n-- {
		if !whole && rest[0] == cborBreak {
			return append(dst, cborBreak), rest[1:]
		}
		dst, rest = dropTags(dst, rest)
	}
	return dst, rest
}

// decodes reports whether the decoder accepts a tagged item with the given content.
func decodes(tag uint64, item, content []byte) bool {
	major := content[0] & 0xe0
	switch tag {
	case tagDate:
		if major != majorText {
			return false
		}
	case tagTime:
		if major != majorUint && major != majorNeg && major != majorOther {
			return false
		}
	default:
		if major != majorBytes {
			return false
		}
	}
	var v any
	_, err := cborMode.UnmarshalFirst(item, &v)
	return err == nil
}
