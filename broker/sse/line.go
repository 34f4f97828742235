package sse

import (
	"strconv"
	"time"
)

// AppendLine appends an event as a line of NDJSON: id, ts (the time of its commit, here in microseconds since
// 1970, there in milliseconds), event, collection and stream only where given, data.
func AppendLine(dst []byte, e *Published) []byte {
	dst = append(dst, `{"id":"`...)
	dst = strconv.AppendUint(dst, e.ID, 10)
	dst = append(dst, `","ts":"`...)
	dst = time.UnixMicro(e.Time).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, `","event":`...)
	dst = appendString(dst, e.Name)
	if e.Collection != "" {
		dst = append(dst, `,"collection":`...)
		dst = appendString(dst, e.Collection)
	}
	if e.Stream != "" {
		dst = append(dst, `,"stream":`...)
		dst = appendString(dst, e.Stream)
	}
	dst = append(dst, `,"data":`...)
	if e.Data == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, e.Data...)
	}
	return append(dst, "}\n"...)
}

// AppendLive appends the frame that tells that the present is reached.
func AppendLive(dst []byte) []byte {
	return append(dst, "event: live\ndata: {\"event\":\"live\",\"data\":{}}\n\n"...)
}

// endRetry keeps an EventSource from coming back to a range that has ended: a day.
const endRetry = 24 * time.Hour

// AppendEnd appends the frame that a range ends with, and the last position read.
func AppendEnd(dst []byte, id uint64, reason string) []byte {
	dst = append(dst, "event: end\n"...)
	dst = appendID(dst, id)
	dst = append(dst, `data: {"event":"end","data":{"reason":`...)
	dst = appendString(dst, reason)
	dst = append(dst, "}}"...)
	return appendEventTail(dst, endRetry)
}

// appendGapObject appends what a gap says, as a frame's data or a line.
func appendGapObject(dst []byte, reason, after string, oldest uint64) []byte {
	dst = append(dst, `{"event":"gap","data":{"reason":"`...)
	dst = append(dst, reason...)
	dst = append(dst, '"')
	if after != "" {
		dst = append(dst, `,"after":"`...)
		dst = append(dst, after...)
		dst = append(dst, '"')
	}
	if oldest != 0 {
		dst = append(dst, `,"oldest":"`...)
		dst = strconv.AppendUint(dst, oldest, 10)
		dst = append(dst, '"')
	}
	return append(dst, "}}"...)
}
