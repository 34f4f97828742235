package sse

import (
	"strconv"

	"sluice/store/syntax"
)

// AppendObject appends the data object of an event: event, collection, data, stream, in this
// order, collection and stream only where given, data null where it is nil.
func AppendObject(dst []byte, event, collection, stream string, data []byte) []byte {
	dst = append(dst, `{"event":`...)
	dst = appendString(dst, event)
	if collection != "" {
		dst = append(dst, `,"collection":`...)
		dst = appendString(dst, collection)
	}
	dst = append(dst, `,"data":`...)
	if data == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, data...)
	}
	if stream != "" {
		dst = append(dst, `,"stream":`...)
		dst = appendString(dst, stream)
	}
	return append(dst, '}')
}

// AppendPush appends a keyed event: {"type":"push","key":…,"value":…,"seq":…}. A key may be any text.
func AppendPush(dst []byte, key string, value []byte, seq uint64) []byte {
	dst = append(dst, `{"type":"push","key":`...)
	dst = syntax.AppendText(dst, key)
	dst = append(dst, `,"value":`...)
	dst = append(dst, value...)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	return append(dst, '}')
}

// ObjectLen is the length of what AppendObject appends.
func ObjectLen(event, collection, stream string, data []byte) int {
	n := len(`{"event":,"data":}`) + stringLen(event) + len(data)
	if data == nil {
		n += len("null")
	}
	if collection != "" {
		n += len(`,"collection":`) + stringLen(collection)
	}
	if stream != "" {
		n += len(`,"stream":`) + stringLen(stream)
	}
	return n
}

// appendString writes a JSON string. Names hold no control characters, so RFC 8259 asks for these
// two escapes only; messages are ours.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

func stringLen(s string) int {
	n := len(s) + 2
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			n++
		}
	}
	return n
}
