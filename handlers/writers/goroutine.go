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

// blocks lends a block to a stream only while it has something to write, so that idle streams have none.
var blocks = sync.Pool{New: func() any { return new(broker.Block) }}

// goroutineStream is a stream served from its own goroutine, through net/http.
type goroutineStream struct {
	*Stream
	config   *Config
	ctx      context.Context
	w        http.ResponseWriter
	rc       *http.ResponseController
	notices  Notices
	nextPing time.Time
	alarm    *time.Timer // wakes the goroutine
	alarmAt  time.Time
	gathered []byte    // with Batch: what is not written yet
	left     int       // events to the limit
	caughtUp bool      // when the range's time was over, this gateway got what the others had
	retry    time.Time // when to try that again
	live     bool      // the notice Live was sent, or is not wanted
	torn     bool      // a write failed, so the answer ends inside a frame or lacks one
	stalled  *stalled
	wake     *broker.Group // of this stream only
	cut      func()
	stops    []func() // of what could wake or cut it
	reason   broker.End
	err      error
}

func (w *Writers) serveGoroutine(c echo.Context, s *Stream) {
	r := c.Request()
	g := &goroutineStream{Stream: s, config: w.config, ctx: share.With(r.Context(), s.Owner()), w: c.Response().Writer}
	later, wait := g.w.(*Later)
	if wait {
		g.w = later.ResponseWriter
	}
	g.rc = http.NewResponseController(g.w)
	g.left, g.live = math.MaxInt, s.Range == nil
	g.notices = s.notices(w.config)
	if s.Range != nil && s.Range.Limit > 0 {
		g.left = s.Range.Limit
	}
	most := time.Duration(0)
	if r.ProtoMajor >= 2 {
		most = w.config.WriteTimeout
	}
	g.cut = g.cutter(r)
	g.stalled = newStalled(func() bool { return s.due(time.Now()) != "" }, g.cut, s.Lease, most)
	DropHead(c)
	c.Response().WriteHeader(http.StatusOK)
	if wait {
		later.stream = g
		return
	}
	g.serve()
}

// serve writes the stream until it ends. While it waits, little is on the stack: the runtime halves one of 8 KiB only if less
// than 1,248 bytes are used, and net/http uses half of them.
func (g *goroutineStream) serve() {
	defer g.close()
	for g.begin(); g.reason == ""; g.round() {
		<-g.wake.Wake()
	}
}

// begin writes the first bytes. From now on one channel wakes the goroutine for all that can happen, since a select would
// need more of the stack, and more time.
func (g *goroutineStream) begin() {
	g.wake = g.Subscriber.Group()
	g.stops = append(g.stops, g.Identity.OnEnd(func(why grant.End) { g.Subscriber.End(broker.End(why)) }))
	stop := context.AfterFunc(g.ctx, g.wake.Kick)
	g.alarm = time.AfterFunc(time.Hour, g.wake.Kick)
	g.stops = append(g.stops, func() { stop(); g.alarm.Stop(); g.stalled.close() })
	err := g.write(g.notices.Opening(g.Subscriber))
	if err == nil {
		err = g.rc.Flush() // the head, where nothing came behind it
	}
	if err != nil {
		g.reason, g.err = g.endAfterWriteError(err)
		return
	}
	g.nextPing = time.Now().Add(g.config.PingInterval)
	g.round()
}

// errPanic is why a stream ends after a panic in it.
var errPanic = errors.New("a panic; the log has its stack")

// round writes what is there, and sets the alarm to what is due next.
func (g *goroutineStream) round() {
	if g.ctx.Err() != nil {
		g.reason = Gone
		return
	}
	reason, err := g.flush(g.ctx)
	if reason == "" {
		g.setAlarm(time.Now())
	}
	g.reason, g.err = reason, err
}

// close is deferred. A panic ends this stream only.
func (g *goroutineStream) close() {
	whole := g.reason != "" && g.reason != broker.EndCut && !g.torn
	if cause := recover(); cause != nil {
		g.Lease.Panicked(cause)
		g.reason, g.err, whole = Failed, errPanic, false
	}
	for _, stop := range g.stops {
		stop()
	}
	if !whole {
		g.cut() // or net/http would mark the answer as complete
	}
	g.end(g.reason, g.err)
}

// cutter returns a function that ends a waiting write, and leaves the answer incomplete. With HTTP/2 it resets the stream,
// and leaves the connection to the other requests.
func (g *goroutineStream) cutter(r *http.Request) func() {
	if conn := share.ConnOf(r.Context()); conn != nil && r.ProtoMajor == 1 {
		return conn.Cut
	}
	return func() { _ = g.rc.SetWriteDeadline(time.Now()) } // the connection may be gone
}

// setAlarm sets the alarm to what is due next, if it is not set to that already.
func (g *goroutineStream) setAlarm(now time.Time) {
	left := g.untilNext(now)
	if at := now.Add(left); left <= 0 || !at.Equal(g.alarmAt) {
		g.alarm.Reset(left)
		g.alarmAt = at
	}
}

func (g *goroutineStream) untilNext(now time.Time) time.Duration {
	next := g.nextPing
	if e := g.Identity.Expires; !e.IsZero() && e.Before(next) {
		next = e
	}
	if g.Range != nil {
		if left := max(g.Range.Left(g.config.Broker.Log()), g.retry.Sub(now)); left > 0 && left < next.Sub(now) {
			return left
		}
	}
	return next.Sub(now)
}

// flush writes all events that are there, and pings that are due. A reason other than "" ends the stream.
func (g *goroutineStream) flush(ctx context.Context) (broker.End, error) {
	own := blocks.Get().(*broker.Block)
	defer putBlock(own)
	for more := true; more; {
		switch reason := g.due(time.Now()); reason {
		case "":
		case broker.EndCut:
			return reason, nil
		default:
			return reason, g.writeNotice(g.notices.Last(reason))
		}
		block, progress, err := g.Subscriber.Next(ctx, own, batchBytes)
		if err != nil {
			return g.broken(err)
		}
		if more = progress != broker.Idle; more {
			over, err := g.writeBlock(block)
			if err != nil {
				return g.endAfterWriteError(err)
			}
			if over != "" {
				return g.finish(over)
			}
		} else if g.catchUp(ctx) {
			more = true
		} else if over, err := g.atHead(); over != "" || err != nil {
			if err != nil {
				return g.endAfterWriteError(err)
			}
			return g.finish(over)
		}
		if now := time.Now(); !now.Before(g.nextPing) {
			g.nextPing = now.Add(g.config.PingInterval)
			if err := g.writeNotice(g.notices.Ping(g.Subscriber, now)); err != nil {
				return g.endAfterWriteError(err)
			}
		}
	}
	return "", nil
}

// writeBlock writes a block up to the end of the range. If the range is over, it returns the reason.
func (g *goroutineStream) writeBlock(block *broker.Block) (over RangeEnd, err error) {
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

// timeOver reports whether the time of the range is over.
func (g *goroutineStream) timeOver() bool {
	return g.Range != nil && g.Range.Left(g.config.Broker.Log()) <= 0
}

// catchUp waits, once the time of the range is over, for what is still on its way from other gateways. It returns true if
// something may have come.
func (g *goroutineStream) catchUp(ctx context.Context) bool {
	log := g.config.Broker.Log()
	if log.Alone() || g.caughtUp || !g.timeOver() || time.Now().Before(g.retry) {
		return false
	}
	if err := log.Barrier(ctx); err != nil {
		g.retry = time.Now().Add(time.Second) // the stream stays: to end it would say that nothing is left
		return false
	}
	g.caughtUp = true
	return true
}

// atHead writes the notice Live once. If the range is over, it returns the reason.
func (g *goroutineStream) atHead() (over RangeEnd, err error) {
	if g.Range != nil && (g.Subscriber.Position() >= g.Range.Last || g.timeOver() && (g.caughtUp || g.config.Broker.Log().Alone())) {
		return g.Range.Reason, nil
	}
	if g.live {
		return "", g.writeNotice(nil)
	}
	g.live = true
	return "", g.writeNotice(g.notices.Live())
}

// finish ends a range.
func (g *goroutineStream) finish(over RangeEnd) (broker.End, error) {
	position := g.Subscriber.Position()
	if over != Limit && g.Range.Last <= g.config.Broker.Log().Settled() {
		position = g.Range.Last // everything up to it was read, though no event has that id
	}
	return Over, g.writeNotice(g.notices.Over(position, over))
}

// putBlock gives a block back, unless a large event has grown it.
func putBlock(k *broker.Block) {
	if cap(k.Bytes) <= 2*batchBytes {
		k.Clear()
		blocks.Put(k)
	}
}

// broken ends a stream because the log cannot be read. This is temporary, so a notice asks the client to come back.
func (g *goroutineStream) broken(err error) (broker.End, error) {
	if errors.Is(err, context.Canceled) {
		return Gone, nil
	}
	return Failed, errors.Join(err, g.writeNotice(g.notices.Last(Failed)))
}

// endAfterWriteError returns why a stream ends whose client cannot be written to: the reason it was ending for anyway, if it was.
func (g *goroutineStream) endAfterWriteError(err error) (broker.End, error) {
	if reason := g.due(time.Now()); reason != "" {
		return reason, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Slow, err
	}
	return Gone, err
}

// writeNotice writes the events that have gathered, and then a notice.
func (g *goroutineStream) writeNotice(notice []byte) error {
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
		if err := g.writeNotice(nil); err != nil { // there is room for the one, then the other
			return err
		}
	}
	if len(g.gathered) > 0 {
		return g.writeNotice(b)
	}
	return g.send(b)
}

func (g *goroutineStream) send(b []byte) (err error) {
	if len(b) == 0 {
		return nil
	}
	defer func() { g.torn = g.torn || err != nil }()
	if !g.charge(g.config, len(b)) {
		return os.ErrDeadlineExceeded // as for a client that takes no byte: the rest would stay in memory
	}
	defer g.refund()
	g.stalled.begin()
	defer g.stalled.end()
	n, err := g.w.Write(b)
	g.bytes.Add(int64(n))
	g.config.Observer.Wrote(n)
	if err != nil {
		return err
	}
	return g.rc.Flush()
}
