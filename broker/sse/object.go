package sse

import (
	"strconv"

	"sluice/store/syntax"
)

// AppendObject appends the JSON object of an event with event, collection, data and stream, in this order. An empty
// collection or stream is left out. If data is nil, it is null in the object.
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

// AppendPush appends the JSON object of a keyed event: {"type":"push","key":…,"value":…,"seq":…}. A key may be any text.
func AppendPush(dst []byte, key string, value []byte, seq uint64) []byte {
	dst = append(dst, `{"type":"push","key":`...)
	dst = syntax.AppendText(dst, key)
	dst = append(dst, `,"value":`...)
	dst = append(dst, value...)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	return append(dst, '}')
}

// ObjectLen returns the number of bytes that AppendObject appends.
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

// appendString appends a JSON string. RFC 8259 also demands escapes for control characters, but no name and no message of
// ours contains one.
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
