package writers

import (
	"context"
	"errors"
	"math"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth/grant"
	"sluice/broker"
	"sluice/store/share"
)

// blocks are lent to a stream only while it has something to write, so that idle ones hold none.
var blocks = sync.Pool{New: func() any { return new(broker.Block) }}

// goroutineStream is a stream served from its own goroutine, through net/http.
type goroutineStream struct {
	*Stream
	config   *Config
	w        *echo.Response
	rc       *http.ResponseController
	notices  Notices
	nextPing time.Time
	gathered []byte // with Batch: what is not written yet
	left     int    // events to the limit
	live     bool   // the mark of the present was sent, or is not wanted
	stalled  *stalled
}

func (w *Writers) serveGoroutine(c echo.Context, s *Stream) {
	g := &goroutineStream{Stream: s, config: w.config, w: c.Response(), rc: http.NewResponseController(c.Response().Writer)}
	g.left, g.live = math.MaxInt, s.Range == nil
	g.notices = s.notices(w.config)
	if s.Range != nil && s.Range.Limit > 0 {
		g.left = s.Range.Limit
	}
	most := time.Duration(0)
	if c.Request().ProtoMajor >= 2 {
		most = w.config.WriteTimeout
	}
	g.stalled = newStalled(func() bool { return s.due(time.Now()) != "" }, g.cutter(c.Request()), most)
	DropHead(c)
	stop := s.Identity.OnEnd(func(why grant.End) { s.Subscriber.End(broker.End(why)) })
	defer stop()
	reason, err := Failed, error(nil)
	defer func() { s.end(reason, err) }() // after a panic as well
	reason, err = g.run(share.With(c.Request().Context(), s.Owner()))
}

// cutter returns what ends a write that waits. HTTP/2 shares a connection with other requests, which go on.
func (g *goroutineStream) cutter(r *http.Request) func() {
	if conn := share.ConnOf(r.Context()); conn != nil && r.ProtoMajor == 1 {
		return conn.Cut
	}
	return func() { _ = g.rc.SetWriteDeadline(time.Now()) } // the connection may be gone
}

func (g *goroutineStream) run(ctx context.Context) (broker.End, error) {
	g.w.WriteHeader(http.StatusOK)
	if err := g.write(g.notices.Opening(g.Subscriber)); err != nil {
		return g.gone(err)
	}
	if err := g.rc.Flush(); err != nil { // the head, where nothing came behind it
		return g.gone(err)
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
	if g.Range != nil {
		if left := g.Range.Left(g.config.Broker.Log().Clock()); left > 0 && left < next.Sub(now) {
			return left
		}
	}
	return next.Sub(now)
}

// flush writes all there is, and what the clock asks for. A reason other than "" is the end.
func (g *goroutineStream) flush(ctx context.Context) (broker.End, error) {
	own := blocks.Get().(*broker.Block)
	defer putBlock(own)
	for more := true; more; {
		if reason := g.due(time.Now()); reason != "" {
			return reason, g.say(g.notices.Last(reason))
		}
		block, progress, err := g.Subscriber.Next(ctx, own, batchBytes)
		if err != nil {
			return g.broken(err)
		}
		if more = progress != broker.Idle; more {
			over, err := g.hand(block)
			if err != nil {
				return g.gone(err)
			}
			if over != "" {
				return g.finish(over)
			}
		} else if over, err := g.atHead(); over != "" || err != nil {
			if err != nil {
				return g.gone(err)
			}
			return g.finish(over)
		}
		if now := time.Now(); !now.Before(g.nextPing) {
			g.nextPing = now.Add(g.config.PingInterval)
			if err := g.say(g.notices.Ping(g.Subscriber, now)); err != nil {
				return g.gone(err)
			}
		}
	}
	return "", nil
}

// hand writes a block, as far as the range goes, and says why that is over, if it is.
func (g *goroutineStream) hand(block *broker.Block) (over RangeEnd, err error) {
	n := len(block.Bytes)
	if g.Range != nil {
		var events int
		n, events = block.Upto(g.Range.Last, g.left)
		switch g.left -= events; {
		case g.left == 0:
			over = Limit
		case n < len(block.Bytes):
			over = g.Range.Reason
		}
	}
	if err := g.write(block.Bytes[:n]); err != nil {
		return "", err
	}
	g.Subscriber.Advance(block, n)
	if id := block.Fresh(); id != 0 {
		g.config.Observer.Delivered(g.config.Broker.Log().Clock().Age(id))
	}
	if over == "" && g.Range != nil && g.Subscriber.Position() >= g.Range.Last {
		over = g.Range.Reason
	}
	return over, nil
}

// atHead tells, once, that the present is reached, and says why the range is over, if it is.
func (g *goroutineStream) atHead() (over RangeEnd, err error) {
	if g.Range != nil && (g.Subscriber.Position() >= g.Range.Last || g.Range.Left(g.config.Broker.Log().Clock()) <= 0) {
		return g.Range.Reason, nil
	}
	if g.live {
		return "", g.say(nil)
	}
	g.live = true
	return "", g.say(g.notices.Live())
}

// finish ends a range.
func (g *goroutineStream) finish(over RangeEnd) (broker.End, error) {
	position := g.Subscriber.Position()
	if over != Limit && g.Range.Last <= g.config.Broker.Log().Settled() {
		position = g.Range.Last // all of it was read, though there was no event just there
	}
	return Over, g.say(g.notices.Over(position, over))
}

// putBlock gives a block back, but not one that a large event has grown.
func putBlock(k *broker.Block) {
	if cap(k.Bytes) <= 2*batchBytes {
		k.Clear()
		blocks.Put(k)
	}
}

// broken ends a stream that cannot be read on: it will pass, so the client is told to come back.
func (g *goroutineStream) broken(err error) (broker.End, error) {
	if errors.Is(err, context.Canceled) {
		return Gone, nil
	}
	return Failed, errors.Join(err, g.say(g.notices.Last(Failed)))
}

// gone is the end of a stream whose client cannot be written to: why it was over, where it was.
func (g *goroutineStream) gone(err error) (broker.End, error) {
	if reason := g.due(time.Now()); reason != "" {
		return reason, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Slow, err
	}
	return Gone, err
}

// say writes the events that have gathered, and then a notice.
func (g *goroutineStream) say(notice []byte) error {
	if len(g.gathered) > 0 {
		notice = append(g.gathered, notice...)
		g.gathered = nil
	}
	return g.send(notice)
}

// write writes a block, or gathers it while the batch has room.
func (g *goroutineStream) write(b []byte) error {
	if n := len(g.gathered) + len(b); n <= g.Batch {
		if g.charge(g.config, n) {
			g.gathered = append(g.gathered, b...)
			return nil
		}
		if err := g.say(nil); err != nil { // there is room for the one, then the other
			return err
		}
	}
	if len(g.gathered) > 0 {
		return g.say(b)
	}
	return g.send(b)
}

func (g *goroutineStream) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if !g.charge(g.config, len(b)) {
		return os.ErrDeadlineExceeded // as who takes no byte: its client would make us hold it
	}
	defer g.refund()
	g.stalled.begin()
	defer g.stalled.end()
	n, err := g.w.Write(b)
	g.bytes += int64(n)
	g.config.Observer.Wrote(n)
	if err != nil {
		return err
	}
	return g.rc.Flush()
}
