package sse

import (
	"strconv"
	"time"
)

// AppendLine appends an event as a line of NDJSON with id, ts, event, collection, stream and data. An empty collection or
// stream is left out. ts is the time of the commit in microseconds since 1970; the line has it in milliseconds.
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

// AppendLive appends the frame between the past and the present.
func AppendLive(dst []byte) []byte {
	return append(dst, "event: live\ndata: {\"event\":\"live\",\"data\":{}}\n\n"...)
}

// endRetry prevents that an EventSource reconnects after the end of a range.
const endRetry = 24 * time.Hour

// AppendEnd appends the frame at the end of a range. id is the last position that was read.
func AppendEnd(dst []byte, id uint64, reason string) []byte {
	dst = append(dst, "event: end\n"...)
	dst = appendID(dst, id)
	dst = append(dst, `data: {"event":"end","data":{"reason":`...)
	dst = appendString(dst, reason)
	dst = append(dst, "}}"...)
	return appendEventTail(dst, endRetry)
}

// appendGapObject appends the JSON object of a gap.
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
