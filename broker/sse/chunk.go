package sse

// chunkRoom is what BeginChunk leaves before a chunk's bytes: eight digits of their count and CRLF.
const chunkRoom = 8 + 2

// Framed is a frame as a chunk of HTTP/1.1 (RFC 9112, 7.1). The same bytes serve those who want it bare.
type Framed struct {
	chunk []byte
	head  int
}

// Chunk is the frame with the chunk's head and end.
func (f Framed) Chunk() []byte { return f.chunk }

// Bare is the frame alone.
func (f Framed) Bare() []byte { return f.chunk[f.head : len(f.chunk)-2] }

// Len is the length of the chunk; 0 where there is none yet.
func (f Framed) Len() int { return len(f.chunk) }

// LastChunk ends a chunked body.
const LastChunk = "0\r\n\r\n"

// BeginChunk leaves room for the head of a chunk whose bytes are appended next; EndChunk takes the
// place it was begun at.
func BeginChunk(dst []byte) []byte { return append(dst, "01234567\r\n"...) }

// EndChunk closes the chunk begun at a place: what was left too much for its head is taken out again,
// and all of it where nothing was appended, since a chunk of no bytes ends the body.
func EndChunk(dst []byte, at int) []byte {
	if len(dst) == at+chunkRoom {
		return dst[:at]
	}
	skip := writeChunkHead(dst[at:], len(dst)-at-chunkRoom)
	dst = dst[:at+copy(dst[at:], dst[at+skip:])]
	return append(dst, "\r\n"...)
}

// writeChunkHead writes the count of bytes to the right end of the room, and says where it begins.
func writeChunkHead(b []byte, n int) int {
	at := chunkRoom - 2
	for first := true; first || n > 0; first = false {
		at--
		b[at] = "0123456789abcdef"[n&15]
		n >>= 4
	}
	return at
}

// frameChunk closes a buffer that holds one chunk only, without moving it.
func frameChunk(b []byte) Framed {
	skip := writeChunkHead(b, len(b)-chunkRoom)
	return Framed{chunk: append(b, "\r\n"...)[skip:], head: chunkRoom - skip}
}

// FrameFunc frames what a function appends; where that is nothing, the frame is empty.
func FrameFunc(appendTo func(dst []byte) []byte) Framed {
	b := appendTo(BeginChunk(make([]byte, 0, 256)))
	if len(b) == chunkRoom {
		return Framed{}
	}
	return frameChunk(b)
}
