package realtime

import (
	"context"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/broker"
	"sluice/broker/sse"
)

// Writer takes over the connection of a stream whose headers are set, and writes to it until it
// ends. All writers give byte-identical streams.
type Writer interface {
	Serve(c echo.Context, s *Stream) End
}

// Stream is what a writer needs to know.
type Stream struct {
	Subscriber   *broker.Subscriber
	Expires      time.Time // zero: never
	PingInterval time.Duration
	WriteTimeout time.Duration
	Metrics      *Metrics
	DrainRetry   func() time.Duration
}

// End tells why a stream ended.
type End struct {
	Reason string // one of the broker's reasons, or gone, slow, failed
	Bytes  int64
	Err    error
}

// Reasons of a writer's own.
const (
	endGone   = "gone"   // the client left
	endSlow   = "slow"   // it took no byte for WRITE_TIMEOUT
	endFailed = "failed" // the log could not be read on
)

// batchBytes is how much leaves in one write: enough to make a system call of a burst, and little
// enough that a slow client pins no more.
const batchBytes = 64 << 10

// buffers are lent to a stream only while it has something to write, so that idle ones hold none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// goroutineWriter serves each stream from its own goroutine, through net/http: TLS, HTTP/2, all
// systems.
type goroutineWriter struct{}

func (goroutineWriter) Serve(c echo.Context, s *Stream) End {
	g := &goroutineStream{Stream: s, w: c.Response(), rc: http.NewResponseController(c.Response().Writer)}
	// HTTP/2 shares a connection, whose own deadline says nothing of one stream's flow control.
	g.deadlines = c.Request().ProtoMajor >= 2
	reason, err := g.run(c.Request().Context())
	return End{Reason: reason, Bytes: g.bytes, Err: err}
}

type goroutineStream struct {
	*Stream
	w         *echo.Response
	rc        *http.ResponseController
	deadlines bool
	bytes     int64
	nextPing  time.Time
}

func (g *goroutineStream) run(ctx context.Context) (string, error) {
	g.w.WriteHeader(http.StatusOK)
	g.nextPing = time.Now().Add(g.PingInterval)
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
			return endGone, nil
		case <-g.Subscriber.Wake():
		case <-timer.C:
		}
	}
}

func (g *goroutineStream) untilNext(now time.Time) time.Duration {
	next := g.nextPing
	if !g.Expires.IsZero() && g.Expires.Before(next) {
		next = g.Expires
	}
	return next.Sub(now)
}

// flush writes all there is, and what the clock asks for. A reason other than "" is the end.
func (g *goroutineStream) flush(ctx context.Context) (string, error) {
	buf := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 2*batchBytes {
			buffers.Put(buf)
		}
	}()
	for more := true; more; {
		if reason := g.over(time.Now()); reason != "" {
			return g.last((*buf)[:0], reason)
		}
		var err error
		*buf, more, err = g.Subscriber.Next(ctx, (*buf)[:0], batchBytes)
		if err != nil {
			return g.broken((*buf)[:0], err)
		}
		if now := time.Now(); !now.Before(g.nextPing) {
			*buf = g.Subscriber.AppendPing(*buf, now)
			g.nextPing = now.Add(g.PingInterval)
		}
		if err := g.write(*buf); err != nil {
			return gone(err)
		}
		if id := g.Subscriber.TakeFresh(); id != 0 {
			g.Metrics.Delivered(time.Since(time.UnixMicro(int64(id))))
		}
	}
	return "", nil
}

// over is the reason for which the stream has to end now, or "".
func (g *goroutineStream) over(now time.Time) string {
	if reason := g.Subscriber.Ending(); reason != "" {
		return reason
	}
	if !g.Expires.IsZero() && !now.Before(g.Expires) {
		return broker.EndExpired
	}
	return ""
}

// last writes the frame that a stream ends with for this reason.
func (g *goroutineStream) last(buf []byte, reason string) (string, error) {
	switch reason {
	case broker.EndDraining:
		buf = sse.AppendBusy(buf, "", http.StatusServiceUnavailable, "the gateway is shutting down; come back in a moment", g.DrainRetry())
	case broker.EndExpired:
		buf = sse.AppendExpired(buf, reason, 0)
	case broker.EndRevoked, broker.EndChanged:
		buf = sse.AppendExpired(buf, reason, between(500*time.Millisecond, 1500*time.Millisecond))
	}
	return reason, g.write(buf)
}

// broken ends a stream that cannot be read on: it will pass, so the client is told to come back.
func (g *goroutineStream) broken(buf []byte, err error) (string, error) {
	if errors.Is(err, context.Canceled) {
		return endGone, nil
	}
	buf = sse.AppendBusy(buf, "", http.StatusServiceUnavailable, "the log cannot be read now; come back in a moment", between(2*time.Second, 10*time.Second))
	_ = g.write(buf) // the stream is at its end anyway
	return endFailed, err
}

func gone(err error) (string, error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return endSlow, err
	}
	return endGone, err
}

func (g *goroutineStream) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if g.deadlines {
		if err := g.rc.SetWriteDeadline(time.Now().Add(g.WriteTimeout)); err != nil {
			return err
		}
	}
	n, err := g.w.Write(b)
	g.bytes += int64(n)
	g.Metrics.Wrote(n)
	if err != nil {
		return err
	}
	return g.rc.Flush()
}
