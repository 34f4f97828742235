package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
)

// wire is the bytes of a message: those written so far, or those not read yet. A method writes the value that it gets, or reads
// into it. While writing it never changes the value, as others may read it.
type wire struct {
	b       []byte
	reading bool
	err     error // why reading has ended
}

// The first bits of a CBOR item are its major type.
const (
	majorUint  = 0 << 5
	majorNeg   = 1 << 5
	majorBytes = 2 << 5
	majorArray = 4 << 5
	majorBits  = 7 << 5

	cborFalse = 0xf4
	cborTrue  = 0xf5
	cborNull  = 0xf6
)

// Reasons to stop reading.
var (
	errShort = errors.New("it ends too early")
	errEnd   = errors.New("something follows its end")
	errKind  = errors.New("a value is of another kind")
	errForm  = errors.New("a number is not in its shortest form")
	errRange = errors.New("a number is out of range")
	errCount = errors.New("a list has more elements than the rest of the message has room for")
)

func (w *wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// head writes a major type and its number. Or it reads the number, if the major type is the expected one.
func (w *wire) head(major byte, n uint64) uint64 {
	if w.reading {
		return w.readHead(major)
	}
	switch {
	case n < 24:
		w.b = append(w.b, major|byte(n))
	case n <= math.MaxUint8:
		w.b = append(w.b, major|24, byte(n))
	case n <= math.MaxUint16:
		w.b = binary.BigEndian.AppendUint16(append(w.b, major|25), uint16(n))
	case n <= math.MaxUint32:
		w.b = binary.BigEndian.AppendUint32(append(w.b, major|26), uint32(n))
	default:
		w.b = binary.BigEndian.AppendUint64(append(w.b, major|27), n)
	}
	return n
}

// shortest are the lowest numbers that need 1, 2, 4 and 8 bytes after the first.
var shortest = [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}

func (w *wire) readHead(major byte) (n uint64) {
	if first := w.peek(); w.err != nil || first&majorBits != major {
		w.fail(errKind)
		return 0
	}
	n = uint64(w.b[0] &^ majorBits)
	if n < 24 {
		w.b = w.b[1:]
		return n
	}
	form := int(n - 24)
	if form >= len(shortest) {
		w.fail(errKind)
		return 0
	}
	size := 1 + 1<<form
	if len(w.b) < size {
		w.fail(errShort)
		return 0
	}
	n = 0
	for _, b := range w.b[1:size] {
		n = n<<8 | uint64(b)
	}
	if n < shortest[form] {
		w.fail(errForm)
		return 0
	}
	w.b = w.b[size:]
	return n
}

// peek is the next byte.
func (w *wire) peek() byte {
	if len(w.b) == 0 {
		w.fail(errShort)
		return 0
	}
	return w.b[0]
}

// null writes null if the value is absent. Or it reports whether null comes next, and reads it.
func (w *wire) null(absent bool) bool {
	if !w.reading {
		if absent {
			w.b = append(w.b, cborNull)
		}
		return absent
	}
	if w.err != nil || w.peek() != cborNull {
		return w.err != nil
	}
	w.b = w.b[1:]
	return true
}

// array begins an array of n values.
func (w *wire) array(n uint64) {
	if w.head(majorArray, n) != n {
		w.fail(errKind)
	}
}

func (w *wire) number(v *uint64) {
	if n := w.head(majorUint, *v); w.reading {
		*v = n
	}
}

func (w *wire) small(v *uint8) {
	n := w.head(majorUint, uint64(*v))
	if !w.reading {
		return
	}
	if n > math.MaxUint8 {
		w.fail(errRange)
		return
	}
	*v = uint8(n)
}

func (w *wire) signed(v *int64) {
	if !w.reading {
		if *v < 0 {
			w.head(majorNeg, uint64(^*v))
		} else {
			w.head(majorUint, uint64(*v))
		}
		return
	}
	major := w.peek() & majorNeg
	n := w.head(major, 0)
	if n > math.MaxInt64 {
		w.fail(errRange)
		return
	}
	if *v = int64(n); major == majorNeg {
		*v = ^*v
	}
}

func (w *wire) int(v *int) {
	n := int64(*v)
	if w.signed(&n); !w.reading {
		return
	}
	if *v = int(n); int64(*v) != n {
		w.fail(errRange)
	}
}

func (w *wire) flag(v *bool) {
	if !w.reading {
		if *v {
			w.b = append(w.b, cborTrue)
		} else {
			w.b = append(w.b, cborFalse)
		}
		return
	}
	b := w.peek()
	if w.err != nil || b != cborTrue && b != cborFalse {
		w.fail(errKind)
		return
	}
	*v = b == cborTrue
	w.b = w.b[1:]
}

// part reads n bytes, without a copy.
func (w *wire) part(n uint64) []byte {
	if w.err != nil || n > uint64(len(w.b)) {
		w.fail(errShort)
		return nil
	}
	part := w.b[:n]
	w.b = w.b[n:]
	return part
}

// text is a byte string, since names and keys may be any bytes.
func (w *wire) text(v *string) {
	if n := w.head(majorBytes, uint64(len(*v))); w.reading {
		*v = string(w.part(n))
	} else {
		w.b = append(w.b, *v...)
	}
}

// bytes preserves whether the value is nil.
func (w *wire) bytes(v *[]byte) {
	if w.null(*v == nil) {
		return
	}
	if n := w.head(majorBytes, uint64(len(*v))); w.reading {
		*v = bytes.Clone(w.part(n))
	} else {
		w.b = append(w.b, *v...)
	}
}

// value is bytes, or if it is a part of one of the wholes, an array: which, from where on, and how long. It preserves whether
// the value is nil, which deletes a row.
func (w *wire) value(v *[]byte, wholes [2][]byte) {
	var which, at, n uint64
	if w.reading {
		if w.peek()&majorBits != majorArray {
			w.bytes(v)
			return
		}
	} else {
		i, offset := find(*v, wholes)
		if i < 0 {
			w.bytes(v)
			return
		}
		which, at, n = uint64(i), uint64(offset), uint64(len(*v))
	}
	w.array(3)
	w.number(&which)
	w.number(&at)
	w.number(&n)
	if !w.reading || w.err != nil {
		return
	}
	if which >= uint64(len(wholes)) {
		w.fail(errRange)
		return
	}
	whole := wholes[which]
	if at > uint64(len(whole)) || n == 0 || n > uint64(len(whole))-at {
		w.fail(errRange)
		return
	}
	*v = whole[at : at+n]
}

// find returns which of the wholes shares its memory with a part, and from where on; -1 if none does. It may miss that if the
// part has a capacity of its own.
func find(part []byte, wholes [2][]byte) (which, at int) {
	for i, whole := range wholes {
		at := cap(whole) - cap(part)
		if len(part) > 0 && at >= 0 && at+len(part) <= len(whole) && &part[0] == &whole[at] {
			return i, at
		}
	}
	return -1, 0
}

// fixed is a value whose length never changes.
func (w *wire) fixed(v []byte) {
	n := w.head(majorBytes, uint64(len(v)))
	switch {
	case n != uint64(len(v)):
		w.fail(errKind)
	case w.reading:
		copy(v, w.part(n))
	default:
		w.b = append(w.b, v...)
	}
}

// list preserves whether the list is nil. Its elements have at least some bytes each.
func list[T any](w *wire, v *[]T, least int, element func(*wire, *T)) {
	if w.null(*v == nil) {
		return
	}
	n := w.head(majorArray, uint64(len(*v)))
	if w.reading {
		if n > uint64(len(w.b)/least) {
			w.fail(errCount)
			return
		}
		*v = make([]T, n)
	}
	for i := range *v {
		if element(w, &(*v)[i]); w.err != nil {
			return
		}
	}
}

// optional is null if the pointer is nil.
func optional[T any](w *wire, v **T, value func(*wire, *T)) {
	if w.null(*v == nil) {
		return
	}
	if w.reading {
		*v = new(T)
	}
	value(w, *v)
}
