package client

import (
	"bytes"
	"errors"
	"io"
)

// wholeFrames hands on what ends with a blank line and drops what a cut left behind it: r3labs/sse's
// reader takes the rest before an end for a whole event.
type wholeFrames struct {
	body  io.ReadCloser
	held  []byte // read, not handed on
	whole int    // so many bytes of held are whole frames
	err   error
}

var errFrameTooLarge = errors.New("a frame is larger than 16 MiB")

func (w *wholeFrames) Read(p []byte) (int, error) {
	for w.whole == 0 {
		if w.err != nil {
			return 0, w.err
		}
		w.fill()
	}
	n := copy(p, w.held[:w.whole])
	w.held = w.held[:copy(w.held, w.held[n:])]
	w.whole -= n
	return n, nil
}

func (w *wholeFrames) fill() {
	if len(w.held) > maxFrame {
		w.err = errFrameTooLarge
		return
	}
	from := max(0, len(w.held)-3) // a blank line may lie across two reads
	buf := make([]byte, 16<<10)
	n, err := w.body.Read(buf)
	w.held, w.err = append(w.held, buf[:n]...), err
	for _, blank := range [][]byte{[]byte("\n\n"), []byte("\r\r"), []byte("\n\r\n")} {
		if i := bytes.LastIndex(w.held[from:], blank); i >= 0 {
			w.whole = max(w.whole, from+i+len(blank))
		}
	}
}

func (w *wholeFrames) Close() error { return w.body.Close() }
