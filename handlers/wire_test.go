package handlers_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/broker/sse/ssetest"
	"sluice/store/eventlog"
)

// wire is a stream on a connection of the test's own, so that it decides what is read and when.
type wire struct {
	*net.TCPConn
	in     *bufio.Reader
	answer *http.Response // its head
	chunks *chunks        // nil where the body has none
	parser ssetest.Parser
	queue  []ssetest.Event
	text   []byte // the body as read so far
}

// chunks takes a chunked body apart, and goes on after a read that came too early, which net/http's does not.
type chunks struct {
	line []byte // the size under way
	left int    // of the chunk, its CRLF included
	last bool   // the chunk under way has size 0, and ends the body
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

// over says which version of HTTP a request speaks.
func over(version, request string) string { return strings.Replace(request, "HTTP/1.1", version, 1) }

// wire sends a request and reads the answer's head. The window is small, so that little is in flight.
func (g *gateway) wire(t *testing.T, request string) *wire {
	t.Helper()
	c := dial(t, g, request)
	if err := c.SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	w := &wire{TCPConn: c, in: bufio.NewReader(c)}
	answer, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	if w.answer = answer; len(answer.TransferEncoding) > 0 {
		w.chunks = &chunks{}
	}
	return w
}

// pull reads once, at most so many bytes. The error is io.EOF where the body is whole: at the last chunk, or
// without chunks at the connection's end.
func (w *wire) pull(n int) error {
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
	w.text = append(w.text, body...)
	events, perr := w.parser.Feed(body)
	w.queue = append(w.queue, events...)
	return cmp.Or(err, perr)
}

// next is the next frame but pings and init.
func (w *wire) next(t *testing.T) ssetest.Event {
	t.Helper()
	for {
		for len(w.queue) > 0 {
			e := w.queue[0]
			if w.queue = w.queue[1:]; e.Name != "" && e.Name != "ping" {
				return e
			}
		}
		if err := w.pull(16 << 10); err != nil && len(w.queue) == 0 {
			t.Fatalf("%v after %.300q", err, w.text)
		}
	}
}

// toEnd reads the body to its end, and is io.EOF where that is whole.
func (w *wire) toEnd() error {
	for {
		if err := w.pull(64 << 10); err != nil {
			return err
		}
	}
}

// atEOF says whether the server has closed the connection, and sent nothing else.
func (w *wire) atEOF(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(w.in); err != nil || len(rest) > 0 {
		t.Errorf("behind the stream: %.200q %v", rest, err)
	}
}

// ids are those of the events named so among all that were read.
func (w *wire) ids(name string) string {
	var ids []string
	for _, e := range w.queue {
		if e.Name == name {
			ids = append(ids, e.ID)
		}
	}
	return strings.Join(ids, " ")
}

// put publishes without HTTP, which takes a fraction of the time. It gives the ids.
func (g *gateway) put(t *testing.T, events ...eventlog.Event) []string {
	t.Helper()
	for i := range events {
		if events[i].Data == nil {
			events[i].Data = []byte("1")
		}
	}
	first, err := g.Broker.Log().Append(context.Background(), &eventlog.Request{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(events))
	for i := range ids {
		ids[i] = fmt.Sprint(first + uint64(i))
	}
	return ids
}

// many are n events alike, of so many bytes.
func many(n int, name string, size int) []eventlog.Event {
	events := make([]eventlog.Event, n)
	for i := range events {
		events[i] = eventlog.Event{Name: name, Data: []byte(`"` + strings.Repeat("x", size) + `"`)}
	}
	return events
}

// flood publishes so many bytes, in events of 50 kB: more than the kernel holds for a client that does not
// read.
func (g *gateway) flood(t *testing.T, name string, bytes int) (ids []string) {
	t.Helper()
	const size, batch = 50_000, 8
	for range bytes / size / batch {
		ids = append(ids, g.put(t, many(batch, name, size)...)...)
	}
	return ids
}

// metric awaits a line of /metrics: counts of ends follow the subscribers' by a moment.
func (g *gateway) metric(t *testing.T, line string) {
	t.Helper()
	text := ""
	for range 500 {
		answer, err := g.Client().Get(g.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(answer.Body)
		if answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if text = string(all); strings.Contains(text, line+"\n") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	var of []string
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "sluice_connections") || strings.HasPrefix(l, "sluice_streams") {
			of = append(of, l)
		}
	}
	t.Errorf("no %q in %q", line, of)
}
