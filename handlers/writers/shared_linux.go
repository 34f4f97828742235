package writers

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
)

// shared is the writer of HTTP/1 connections.
type shared struct {
	shards []*shard
	turn   atomic.Uint32
	once   sync.Once
	group  sync.WaitGroup
}

func newShared(c *Config) (*shared, error) {
	n := c.Shards
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	w := &shared{}
	for range n {
		s, err := newShard(c)
		if err != nil {
			w.close()
			return nil, fmt.Errorf("making the writer of streams: %w", err)
		}
		w.shards = append(w.shards, s)
		w.group.Go(s.run)
		w.group.Go(s.poll)
	}
	return w, nil
}

func (w *shared) close() {
	w.once.Do(func() {
		for _, s := range w.shards {
			close(s.quit)
		}
	})
	w.group.Wait()
}

// next returns the shards in turn.
func (w *shared) next() *shard { return w.shards[w.turn.Add(1)%uint32(len(w.shards))] }

// heads are buffers for the first bytes of streams.
var heads = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// takeOver gives the request's connection to a shard. It first writes the answer's head and the stream's first frames
// itself. A reason other than "" ends the stream.
func (sh *shard) takeOver(c echo.Context, s *Stream, chunked bool) (reason broker.End, _ error) {
	conn, _, err := http.NewResponseController(c.Response().Writer).Hijack()
	if err != nil {
		return Gone, fmt.Errorf("taking the connection over: %w", err)
	}
	c.Response().Committed, c.Response().Status = true, http.StatusOK
	fd, secure, err := detach(conn, sh.config.WriteTimeout)
	if err != nil {
		return Failed, err
	}
	sh.config.Observer.Descriptor(int(fd))
	adopted := false
	defer func() { // after a panic as well
		if !adopted {
			closeFD(fd)
		}
	}()
	s.socket = socket{fd: fd, tls: secure, chunked: chunked, live: s.Range == nil, nextPing: clock(time.Now().Add(sh.config.PingInterval))}
	head := heads.Get().(*bytes.Buffer)
	defer heads.Put(head)
	head.Reset()
	appendHead(head, c.Request(), c.Response().Header(), chunked)
	first := appendOpening(head.AvailableBuffer(), s, chunked)
	if s.Batch > 0 {
		s.socket.rest = bytes.Clone(first) // leaves with what comes behind it
	} else {
		head.Write(first)
	}
	if err := sh.writeFirst(s, head.Bytes()); err != nil {
		return Gone, err
	}
	if adopted = sh.adopt(s); !adopted {
		return broker.EndCut, nil
	}
	return "", nil
}

// writeFirst writes the head, together with the events that the client has missed if they are in memory.
func (sh *shard) writeFirst(s *Stream, head []byte) error {
	own := blocks.Get().(*broker.Block)
	defer putBlock(own)
	block, progress := s.Subscriber.Peek(own, batchBytes)
	if progress != broker.More || s.Batch > 0 {
		progress = broker.Idle
		own.Clear()
		block = own
	}
	k := &s.socket
	n, full, err := k.write(head, block.Bytes)
	if err != nil {
		return err
	}
	sh.wrote(s, n)
	k.blocked = full
	switch {
	case n < len(head):
		k.rest = append(bytes.Clone(head[n:]), k.rest...)
	case progress == broker.More:
		k.rest = bytes.Clone(s.Subscriber.Advance(block, n-len(head)))
	}
	return nil
}

// appendHead writes the answer's head as net/http would.
func appendHead(b *bytes.Buffer, r *http.Request, header http.Header, chunked bool) {
	proto := "HTTP/1.1"
	if r.ProtoMinor == 0 {
		proto = "HTTP/1.0"
	}
	b.WriteString(proto)
	b.WriteString(" 200 OK\r\n")
	_ = header.Write(b) // a Buffer takes everything
	if chunked && header.Get(echo.HeaderConnection) == "" {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("Date: ")
	b.Write(time.Now().UTC().AppendFormat(b.AvailableBuffer(), http.TimeFormat))
	if chunked {
		b.WriteString("\r\nTransfer-Encoding: chunked")
	}
	b.WriteString("\r\n\r\n")
}
