package gatewaytest

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"sluice/broker/sse/ssetest"
)

// Wire is a stream on a connection of the test's own. The test decides what is read, and when.
type Wire struct {
	*Conn
	in     *bufio.Reader
	Answer *http.Response // its head
	chunks *chunks        // nil if the body is not chunked
	Parser ssetest.Parser
	Queue  []ssetest.Event
	Text   []byte // the body as read so far
}

// chunks decodes a chunked body. It can continue after a read that came too early, which net/http's decoder cannot.
type chunks struct {
	line []byte // the part of the size line read so far
	left int    // bytes left of the chunk, including its CRLF
	last bool   // the current chunk has size 0, and ends the body
}

func (c *chunks) feed(piece []byte) (body []byte, err error) {
	for len(piece) > 0 {
		if c.left == 0 {
			if c.last {
				return body, fmt.Errorf("behind the last chunk: %.100q", piece)
			}
			c.line, piece = append(c.line, piece[0]), piece[1:]
			if size, found := bytes.CutSuffix(c.line, []byte("\r\n")); found {
				n, err := strconv.ParseUint(string(size), 16, 31)
				if err != nil {
					return body, fmt.Errorf("the size of a chunk is %.40q", size)
				}
				c.line, c.left, c.last = nil, int(n)+2, n == 0
			}
			continue
		}
		n := min(c.left, len(piece))
		body, piece, c.left = append(body, piece[:min(n, max(0, c.left-2))]...), piece[n:], c.left-n
	}
	if c.last && c.left == 0 {
		err = io.EOF
	}
	return body, err
}

// WithVersion returns a request with another version of HTTP.
func WithVersion(version, request string) string {
	return strings.Replace(request, "HTTP/1.1", version, 1)
}

// Wire sends a request and reads the answer's head. The window is small, so that little is in flight.
func (g *Gateway) Wire(t *testing.T, request string) *Wire {
	t.Helper()
	c := g.Dial(t, request)
	if err := c.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	w := &Wire{Conn: c, in: bufio.NewReader(c)}
	answer, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	if w.Answer = answer; len(answer.TransferEncoding) > 0 {
		w.chunks = &chunks{}
	}
	return w
}

// Pull reads once, at most n bytes. The error is io.EOF if the body is complete: at the last chunk, or without chunks
// at the connection's end.
func (w *Wire) Pull(n int) error {
	buf := make([]byte, n)
	n, err := w.in.Read(buf)
	body := buf[:n]
	if w.chunks != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		var cerr error
		if body, cerr = w.chunks.feed(body); cerr != nil {
			err = cerr
		}
	}
	w.Text = append(w.Text, body...)
	events, perr := w.Parser.Feed(body)
	w.Queue = append(w.Queue, events...)
	return cmp.Or(err, perr)
}

// Next returns the next frame except pings and init.
func (w *Wire) Next(t *testing.T) ssetest.Event {
	t.Helper()
	for {
		for len(w.Queue) > 0 {
			e := w.Queue[0]
			if w.Queue = w.Queue[1:]; e.Name != "" && e.Name != "ping" {
				return e
			}
		}
		if err := w.Pull(16 << 10); err != nil && len(w.Queue) == 0 {
			t.Fatalf("%v after %.300q", err, w.Text)
		}
	}
}

// ToEnd reads the body to its end, and returns io.EOF if the body is complete.
func (w *Wire) ToEnd() error {
	for {
		if err := w.Pull(64 << 10); err != nil {
			return err
		}
	}
}

// ExpectEOF fails the test unless the server has closed the connection and sent nothing else.
func (w *Wire) ExpectEOF(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(w.in); err != nil || len(rest) > 0 {
		t.Errorf("behind the stream: %.200q %v", rest, err)
	}
}

// IDs returns the ids of the events with a name among all that were read.
func (w *Wire) IDs(name string) string {
	var ids []string
	for _, e := range w.Queue {
		if e.Name == name {
			ids = append(ids, e.ID)
		}
	}
	return strings.Join(ids, " ")
}
