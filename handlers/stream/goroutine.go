package stream

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
)

// blocks are lent to a stream only while it has something to write, so that idle ones hold none.
var blocks = sync.Pool{New: func() any { return new(broker.Block) }}

// goroutineStream is a stream served from its own goroutine, through net/http.
type goroutineStream struct {
	*Stream
	config    *Config
	w         *echo.Response
	rc        *http.ResponseController
	deadlines bool
	nextPing  time.Time
}

func (w *Writers) serveGoroutine(c echo.Context, s *Stream) {
	g := &goroutineStream{Stream: s, config: w.config, w: c.Response(), rc: http.NewResponseController(c.Response().Writer)}
	// HTTP/2 shares a connection, whose own deadline says nothing of one stream's flow control.
	g.deadlines = c.Request().ProtoMajor >= 2
	stop := s.Identity.OnEnd(s.Subscriber.End)
	defer stop()
	reason, err := g.run(c.Request().Context())
	w.config.end(s, reason, err)
}

func (g *goroutineStream) run(ctx context.Context) (string, error) {
	g.w.WriteHeader(http.StatusOK)
	if err := g.write(g.Subscriber.AppendOpening(nil)); err != nil {
		return gone(err)
	}
	g.nextPing = time.Now().Add(g.config.PingInterval)
	timer := time.NewTimer(g.untilNext(time.Now()))
	defer timer.Stop()
	for {
		reason, err := g.flush(ctx)
		if reason != "" {
			return reason, err
		}
		timer.Reset(g.untilNext(time.Now()))
		select {
		case <-ctx.Done():
			return Gone, nil
		case <-g.Subscriber.Wake():
		case <-timer.C:
		}
	}
}

func (g *goroutineStream) untilNext(now time.Time) time.Duration {
	next := g.nextPing
	if e := g.Identity.Expires; !e.IsZero() && e.Before(next) {
		next = e
	}
	return next.Sub(now)
}

// flush writes all there is, and what the clock asks for. A reason other than "" is the end.
func (g *goroutineStream) flush(ctx context.Context) (string, error) {
	own := blocks.Get().(*broker.Block)
	defer putBlock(own)
	for more := true; more; {
		if reason := g.due(time.Now()); reason != "" {
			return reason, g.write(g.config.appendLast(nil, reason))
		}
		block, progress, err := g.Subscriber.Next(ctx, own, batchBytes)
		if err != nil {
			return g.broken(err)
		}
		if more = progress != broker.Idle; more {
			if err := g.write(block.Bytes); err != nil {
				return gone(err)
			}
			g.Subscriber.Advance(block, len(block.Bytes))
			if id := block.Fresh(); id != 0 {
				g.config.Observer.Delivered(time.Since(time.UnixMicro(int64(id))))
			}
		}
		if now := time.Now(); !now.Before(g.nextPing) {
			g.nextPing = now.Add(g.config.PingInterval)
			if err := g.write(g.Subscriber.AppendPing(nil, now)); err != nil {
				return gone(err)
			}
		}
	}
	return "", nil
}

// putBlock gives a block back, but not one that a large event has grown.
func putBlock(k *broker.Block) {
	if cap(k.Bytes) <= 2*batchBytes {
		k.Clear()
		blocks.Put(k)
	}
}

// broken ends a stream that cannot be read on: it will pass, so the client is told to come back.
func (g *goroutineStream) broken(err error) (string, error) {
	if errors.Is(err, context.Canceled) {
		return Gone, nil
	}
	return Failed, errors.Join(err, g.write(g.config.appendLast(nil, Failed)))
}

func gone(err error) (string, error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Slow, err
	}
	return Gone, err
}

func (g *goroutineStream) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if g.deadlines {
		if err := g.rc.SetWriteDeadline(time.Now().Add(g.config.WriteTimeout)); err != nil {
			return err
		}
	}
	n, err := g.w.Write(b)
	g.bytes += int64(n)
	g.config.Observer.Wrote(n)
	if err != nil {
		return err
	}
	return g.rc.Flush()
}
