package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// body parses a response that arrives in pieces of any size: the head, then chunks or plain bytes.
type body struct {
	line    []byte   // the part of the head, or of a chunk's first line, that has arrived
	rest    []byte   // bytes that may be the beginning of a marker
	frames  *frames  // for a WebSocket, or nil
	seqs    *seqs    // for a room, or nil
	counted *counted // for Options.Count, or nil
	ready   *finder  // for Options.Ready until it was found, or nil
	left    int      // bytes of the chunk that are still to come
	started bool     // the head has ended
	chunked bool
	ended   bool
}

// feed calls f with each marker. It returns an error if the status is not 200, or for a WebSocket not 101.
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

// open reports whether the answer has begun, and Options.Ready was found.
func (b *body) open() bool { return b.started && b.ready == nil }

// status returns the beginning of a good answer.
func (b *body) status() string {
	if b.frames != nil {
		return "HTTP/1.1 101"
	}
	return "HTTP/1.1 200"
}

// size reads the first line of a chunk. An empty line is the end of the chunk before.
func (b *body) size(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(string(line), 16, 31)
	if err != nil {
		return fmt.Errorf("%.20q is not the size of a chunk", line)
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
