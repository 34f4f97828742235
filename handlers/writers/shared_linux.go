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

// take takes a request's connection from net/http, with what was read of it already. The descriptor is the caller's. With an
// error comes the reason that ends the stream.
func (sh *shard) take(c echo.Context, status int) (fd int32, secure *tlsSocket, read []byte, reason broker.End, err error) {
	conn, read, err := hijack(c, status)
	if err != nil {
		return 0, nil, nil, Gone, err
	}
	if fd, secure, err = detach(conn, sh.config.WriteTimeout); err != nil {
		return 0, nil, nil, Failed, err
	}
	sh.config.Observer.Descriptor(int(fd))
	return fd, secure, read, "", nil
}

// takeOver gives the request's connection to a shard. It first writes the answer's head and the stream's first frames
// itself. A reason other than "" ends the stream.
func (sh *shard) takeOver(c echo.Context, s *Stream, chunked bool) (reason broker.End, _ error) {
	fd, secure, _, reason, err := sh.take(c, http.StatusOK)
	if err != nil {
		return reason, err
	}
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

// takeOverSocket gives the connection of a request for a WebSocket to a shard. A reason other than "" ends the socket.
func (sh *shard) takeOverSocket(c echo.Context, s *Stream) (reason broker.End, _ error) {
	fd, secure, read, reason, err := sh.take(c, http.StatusSwitchingProtocols)
	if err != nil {
		return reason, err
	}
	adopted := false
	defer func() { // after a panic as well
		if !adopted {
			closeFD(fd)
		}
	}()
	s.socket = socket{fd: fd, tls: secure}
	s.web.shared.unread, s.web.shared.more = read, true
	head := appendUpgrade(nil, c.Response().Header())
	n, full, err := s.socket.write(head, nil)
	if err != nil {
		return Gone, err
	}
	sh.wroteSocket(s, n)
	if s.socket.blocked = full; n < len(head) {
		s.socket.rest = head[n:]
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
