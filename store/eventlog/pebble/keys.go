package pebble

import (
	"bytes"
	"encoding/binary"

	"sluice/channel"
)

// The first byte of a key is its kind. Integers are big-endian. Texts are escaped (00 as 00 FF) and end with 00 01, so
// keys sort by their parts. 14, 16 and 17 are reserved for other doors.
const (
	keyMeta    = 0x01
	keyLog     = 0x10 // space id -> record
	keyChannel = 0x11 // space segment left right id
	keyStream  = 0x12 // space segment stream id
	keyUnique  = 0x13 // space stream key -> id
	keyEntry   = 0x15 // space key seq -> id, record
	keyAnswer  = 0x20 // id -> idempotency answer
)

// The second byte of a meta key.
const (
	metaLast    = 'l' // -> the last id, the place in the journal, the log's time then
	metaRun     = 'r' // n -> recovered, start
	metaSpace   = 's' // name -> number
	metaSegment = 'g' // space segment -> row
	metaFloor   = 'f' // space -> the highest removed id
	metaClock   = 'c' // a | m -> the clock's anchor, its marks
	metaRow     = 'k' // a door's key -> its value
)

func appendUint32(b []byte, n uint32) []byte { return binary.BigEndian.AppendUint32(b, n) }

func appendUint64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func appendText(b []byte, s string) []byte { return append(appendOpenText(b, s), 0x00, 0x01) }

// appendOpenText appends a text without its end: the prefix of all texts that begin with s.
func appendOpenText(b []byte, s string) []byte {
	for i := range len(s) {
		if b = append(b, s[i]); s[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return b
}

// cutText reads an escaped text from the front of a key.
func cutText(b []byte) (s string, rest []byte, ok bool) {
	n := bytes.IndexByte(b, 0)
	if n >= 0 && n+1 < len(b) && b[n+1] == 0x01 {
		return string(b[:n]), b[n+2:], true
	}
	var out []byte
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			out = append(out, b[i])
			continue
		}
		if b[i+1] == 0x01 {
			return string(out), b[i+2:], true
		}
		out = append(out, 0)
		i++
	}
	return "", nil, false
}

// past is the least key after all keys that begin with prefix.
func past(prefix []byte) []byte {
	out := bytes.Clone(prefix)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil // no bound is needed: no key begins with ff
}

func logKey(b []byte, space uint32, id uint64) []byte {
	return appendUint64(appendUint32(append(b, keyLog), space), id)
}

func segmentKey(b []byte, kind byte, space, segment uint32) []byte {
	return appendUint32(appendUint32(append(b, kind), space), segment)
}

func channelKey(b []byte, space, segment uint32, c channel.Channel) []byte {
	return appendText(appendText(segmentKey(b, keyChannel, space, segment), c.Left), c.Collection)
}

func streamKey(b []byte, space, segment uint32, stream string) []byte {
	return appendText(segmentKey(b, keyStream, space, segment), stream)
}

func uniqueKey(b []byte, space uint32, stream, key string) []byte {
	return append(appendText(appendUint32(append(b, keyUnique), space), stream), key...)
}

func entryKey(b []byte, space uint32, key string, seq uint64) []byte {
	return appendUint64(appendText(appendUint32(append(b, keyEntry), space), key), seq)
}

// rowHead is the number of bytes before a row's key.
const rowHead = 2

func rowKey(key string) []byte { return append([]byte{keyMeta, metaRow}, key...) }

func segmentRowKey(space, segment uint32) []byte {
	return appendUint32(appendUint32([]byte{keyMeta, metaSegment}, space), segment)
}

func floorKey(space uint32) []byte { return appendUint32([]byte{keyMeta, metaFloor}, space) }

func runKey(n uint64) []byte { return appendUint64([]byte{keyMeta, metaRun}, n) }

func spaceKey(name string) []byte { return append([]byte{keyMeta, metaSpace}, name...) }

func answerKey(b []byte, id uint64) []byte { return appendUint64(append(b, keyAnswer), id) }

var (
	lastKey   = []byte{keyMeta, metaLast}
	anchorKey = []byte{keyMeta, metaClock, 'a'}
	marksKey  = []byte{keyMeta, metaClock, 'm'}
)
