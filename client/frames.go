package client

import (
	"bytes"
	"errors"
	"io"
)

// wholeFrames passes on whole frames, which end with a blank line. If the connection is lost, it drops the part of a frame
// at the end, because the reader of r3labs/sse would take that for an event.
type wholeFrames struct {
	body   io.ReadCloser
	buffer []byte // bytes that were read, but not passed on yet
	whole  int    // the number of bytes in buffer that are whole frames
	err    error
}

var errFrameTooLarge = errors.New("a frame is larger than 16 MiB")

func (w *wholeFrames) Read(p []byte) (int, error) {
	for w.whole == 0 {
		if w.err != nil {
			return 0, w.err
		}
		w.fill()
	}
	n := copy(p, w.buffer[:w.whole])
	w.buffer = w.buffer[:copy(w.buffer, w.buffer[n:])]
	w.whole -= n
	return n, nil
}

// fill reads more bytes, and finds the end of the last whole frame.
func (w *wholeFrames) fill() {
	if len(w.buffer) > maxFrame {
		w.err = errFrameTooLarge
		return
	}
	from := max(0, len(w.buffer)-3) // two reads may each have a part of a blank line
	buf := make([]byte, 16<<10)
	n, err := w.body.Read(buf)
	w.buffer, w.err = append(w.buffer, buf[:n]...), err
	for _, blank := range [][]byte{[]byte("\n\n"), []byte("\r\r"), []byte("\n\r\n")} {
		if i := bytes.LastIndex(w.buffer[from:], blank); i >= 0 {
			w.whole = max(w.whole, from+i+len(blank))
		}
	}
}

func (w *wholeFrames) Close() error { return w.body.Close() }
