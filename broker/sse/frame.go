package sse

import (
	"strconv"
	"strings"
	"time"
)

// Padding is the number of spaces in the comment at the beginning of a stream. Some proxies and old browsers delay the
// first kilobytes.
const Padding = 2048

var padding = ":" + strings.Repeat(" ", Padding) + "\n"

// Frames is the form of frames.
type Frames uint8

const (
	// FramesName gives the frame of a custom event the event's name.
	FramesName Frames = iota
	// FramesPublish names the frames of all custom events "publish", as RestDB's clients expect.
	FramesPublish
	// FramesLines makes lines of NDJSON instead of frames.
	FramesLines
	// FrameModes is the number of forms.
	FrameModes = 3
)

// FrameName returns the name of an event's frame.
func FrameName(event string, custom bool, mode Frames) string {
	if custom && mode == FramesPublish {
		return "publish"
	}
	return event
}

// AppendInit appends the first frame: padding, retry, id (unless empty) and the init object, which names the connection.
func AppendInit(dst []byte, id, connection string, retry time.Duration) []byte {
	dst = append(dst, padding...)
	dst = appendRetry(dst, retry)
	dst = appendIDText(dst, id)
	dst = append(dst, `data: {"channel":"init","data":{},"connection":`...)
	dst = appendString(dst, connection)
	return append(dst, "}\n\n"...)
}

// AppendPing appends a ping; an id of 0 leaves the line out.
func AppendPing(dst []byte, id uint64, now time.Time) []byte {
	dst = append(dst, "event: ping\n"...)
	if id != 0 {
		dst = appendID(dst, id)
	}
	dst = append(dst, "data: "...)
	dst = now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	return append(dst, "\n\n"...)
}

func appendEventHead(dst []byte, id uint64, name string) []byte {
	dst = appendID(dst, id)
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	return append(dst, "\ndata: "...)
}

// appendEventTail ends the frame; a retry of 0 leaves the line out.
func appendEventTail(dst []byte, retry time.Duration) []byte {
	dst = append(dst, '\n')
	if retry > 0 {
		dst = appendRetry(dst, retry)
	}
	return append(dst, '\n')
}

// frameOverhead is the most bytes that a frame has in addition to its name and object: id: and 20 digits, event:, data:,
// retry: and 13 digits, line ends.
const frameOverhead = 80

// Published is an event of a publisher, as it is written.
type Published struct {
	ID         uint64
	Time       int64 // of its commit, in microseconds since 1970; only lines have it
	Name       string
	Custom     bool // the name is a publisher's own, not a method
	Collection string
	Stream     string
	Data       []byte // JSON; nil is null
}

// Frame makes the frame of an event in one allocation. Only FramesLines uses ts. A retry of 0 leaves the line out.
func Frame(e *Published, mode Frames, retry time.Duration) Framed {
	name := FrameName(e.Name, e.Custom, mode)
	dst := make([]byte, 0, chunkRoom+frameOverhead+len(name)+ObjectLen(e.Name, e.Collection, e.Stream, e.Data)+2)
	return frameChunk(AppendWhole(BeginChunk(dst), e, mode, retry))
}

// AppendWhole appends the frame that Frame makes, not as a chunk.
func AppendWhole(dst []byte, e *Published, mode Frames, retry time.Duration) []byte {
	if mode == FramesLines {
		return AppendLine(dst, e)
	}
	dst = appendEventHead(dst, e.ID, FrameName(e.Name, e.Custom, mode))
	dst = AppendObject(dst, e.Name, e.Collection, e.Stream, e.Data)
	return appendEventTail(dst, retry)
}

// AppendGap appends a gap. An empty after and an oldest of 0 are left out.
func AppendGap(dst []byte, id uint64, reason, after string, oldest uint64) []byte {
	dst = append(dst, "event: gap\n"...)
	dst = appendID(dst, id)
	dst = append(dst, "data: "...)
	dst = appendGapObject(dst, reason, after, oldest)
	return append(dst, "\n\n"...)
}

// AppendGapLine appends a gap as a line of NDJSON.
func AppendGapLine(dst []byte, reason, after string, oldest uint64) []byte {
	return append(appendGapObject(dst, reason, after, oldest), '\n')
}

// AppendExpired appends the last frame of a stream whose credential has ended; a retry of 0 leaves the line out.
func AppendExpired(dst []byte, reason string, retry time.Duration) []byte {
	dst = append(dst, "event: expired\ndata: {\"event\":\"expired\",\"data\":{\"reason\":"...)
	dst = appendString(dst, reason)
	dst = append(dst, "}}"...)
	return appendEventTail(dst, retry)
}

// AppendBusy appends the frame of a temporary error, after which the client comes back; an empty id leaves the line out.
func AppendBusy(dst []byte, id string, status int, message string, retry time.Duration) []byte {
	dst = appendRetry(dst, retry)
	dst = append(dst, "event: busy\n"...)
	dst = appendIDText(dst, id)
	dst = append(dst, `data: {"event":"busy","data":{"status":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	return append(dst, "}}\n\n"...)
}

func appendRetry(dst []byte, retry time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, retry.Milliseconds(), 10)
	return append(dst, '\n')
}

func appendID(dst []byte, id uint64) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendUint(dst, id, 10)
	return append(dst, '\n')
}

func appendIDText(dst []byte, id string) []byte {
	if id == "" {
		return dst
	}
	dst = append(dst, "id: "...)
	dst = append(dst, id...)
	return append(dst, '\n')
}
