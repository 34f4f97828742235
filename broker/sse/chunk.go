package sse

// chunkRoom is the room for the head of a chunk: eight digits for the number of bytes, and CRLF.
const chunkRoom = 8 + 2

// Framed is a frame as a chunk of HTTP/1.1 (RFC 9112 section 7.1). Its bytes also contain the frame without the chunk.
type Framed struct {
	chunk []byte
	head  int
}

// Chunk returns the frame with the head and the end of the chunk.
func (f Framed) Chunk() []byte { return f.chunk }

// Bare returns the frame without the chunk.
func (f Framed) Bare() []byte { return f.chunk[f.head : len(f.chunk)-2] }

// Len returns the length of the chunk, or 0 if there is no frame.
func (f Framed) Len() int { return len(f.chunk) }

// LastChunk ends a chunked body.
const LastChunk = "0\r\n\r\n"

// BeginChunk appends room for the head of a chunk. The caller then appends the bytes of the chunk, and calls EndChunk with
// the length that dst had before.
func BeginChunk(dst []byte) []byte { return append(dst, "01234567\r\n"...) }

// EndChunk ends the chunk that begins at dst[at]. It removes the room that the head does not need. If the chunk has no
// bytes, it removes all of the chunk, because an empty chunk ends the body.
func EndChunk(dst []byte, at int) []byte {
	if len(dst) == at+chunkRoom {
		return dst[:at]
	}
	skip := writeChunkHead(dst[at:], len(dst)-at-chunkRoom)
	dst = dst[:at+copy(dst[at:], dst[at+skip:])]
	return append(dst, "\r\n"...)
}

// writeChunkHead writes the number of bytes to the right end of the room, and returns where it begins.
func writeChunkHead(b []byte, n int) int {
	at := chunkRoom - 2
	for first := true; first || n > 0; first = false {
		at--
		b[at] = "0123456789abcdef"[n&15]
		n >>= 4
	}
	return at
}

// frameChunk ends a buffer with a single chunk, without moving its bytes.
func frameChunk(b []byte) Framed {
	skip := writeChunkHead(b, len(b)-chunkRoom)
	return Framed{chunk: append(b, "\r\n"...)[skip:], head: chunkRoom - skip}
}

// FrameFunc makes a frame of the bytes that a function appends. If it appends nothing, Len is 0.
func FrameFunc(appendTo func(dst []byte) []byte) Framed {
	b := appendTo(BeginChunk(make([]byte, 0, 256)))
	if len(b) == chunkRoom {
		return Framed{}
	}
	return frameChunk(b)
}
