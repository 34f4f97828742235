package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// body takes a response apart as it arrives, in pieces of any size: the head, then chunks or bare bytes.
type body struct {
	line    []byte   // the head, or a chunk's first line, as far as it is there
	rest    []byte   // what may be the beginning of a marker
	frames  *frames  // of a WebSocket, else nil
	seqs    *seqs    // of a room, else nil
	counted *counted // where no marker comes, else nil
	ready   *finder  // what is waited for, else nil
	left    int      // bytes of the chunk still to come
	started bool     // the head is over
	chunked bool
	ended   bool
}

// feed calls f with each marker. It fails where the answer is no 200, and for a WebSocket no 101.
func (b *body) feed(p []byte, f func(marker)) error {
	if !b.started {
		b.line = append(b.line, p...)
		end := bytes.Index(b.line, []byte("\r\n\r\n"))
		if end < 0 {
			return nil
		}
		head := b.line[:end]
		p = b.line[end+4:]
		b.line, b.started = nil, true
		first, _, _ := bytes.Cut(head, []byte("\r\n"))
		if !bytes.HasPrefix(first, []byte(b.status())) {
			return fmt.Errorf("the answer is %q: %.200q", first, p)
		}
		b.chunked = bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding: chunked"))
	}
	if b.frames != nil {
		return b.frames.feed(p, func(p []byte) { b.take(p, f) })
	}
	if !b.chunked {
		b.take(p, f)
		return nil
	}
	for len(p) > 0 && !b.ended {
		if b.left > 0 {
			n := min(b.left, len(p))
			b.take(p[:n], f)
			b.left -= n
			p = p[n:]
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			b.line = append(b.line, p...)
			return nil
		}
		line := p[:end]
		if len(b.line) > 0 {
			line = append(b.line, line...)
			b.line = b.line[:0]
		}
		p = p[end+1:]
		if err := b.size(bytes.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

// open says whether the answer has begun, and what was waited for has come.
func (b *body) open() bool { return b.started && b.ready == nil }

// status is how a good answer begins.
func (b *body) status() string {
	if b.frames != nil {
		return "HTTP/1.1 101"
	}
	return "HTTP/1.1 200"
}

// size reads a chunk's first line; an empty one ends the chunk before.
func (b *body) size(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(string(line), 16, 31)
	if err != nil {
		return fmt.Errorf("%.20q is no size of a chunk", line)
	}
	b.left, b.ended = int(n), n == 0
	return nil
}

func (b *body) take(p []byte, f func(marker)) {
	if b.ready != nil && b.ready.count(p) > 0 {
		b.ready = nil
	}
	if b.counted != nil {
		b.counted.take(p, f)
		return
	}
	if b.seqs != nil {
		b.seqs.take(p)
	}
	if len(b.rest) > 0 {
		p = append(b.rest, p...)
	}
	rest := scan(p, f)
	b.rest = append(b.rest[:0:0], rest...)
}
