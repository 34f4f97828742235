package writers

import (
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/auth/peer"
	"sluice/broker"
	"sluice/broker/sse"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Config is what all streams of a door have in common.
type Config struct {
	Broker       *broker.Broker
	PingInterval time.Duration
	WriteTimeout time.Duration // a connection that takes no byte for this time is closed
	Shards       int           // of the shared writer; 0: one a processor, less than 0: none
	Observer     Observer
	Memory       *share.Memory // what slow clients make us hold is charged to it; nil: to nobody

	// Only streams without Notices of their own need these.

	DrainRetry func() time.Duration // when to come back from a gateway that shuts down
	CutRetry   func() time.Duration // when to come back with what the credential grants now
	FailRetry  func() time.Duration // when to come back from trouble that passes
}

// Observer counts; it is called from many goroutines.
type Observer interface {
	// Wrote is called with the bytes of each write.
	Wrote(bytes int)
	// Delivered is called with how long an event was on its way, after each write that had one.
	Delivered(time.Duration)
	// Descriptor is called with the number of each descriptor that a writer makes.
	Descriptor(number int)
}

// Lease is what a stream has taken, as its writer knows it.
type Lease interface {
	// End gives everything back, the subscriber too.
	End(End)
	// Panicked logs a panic, by which the stream is to end.
	Panicked(cause any)
}

// Stream is one client's stream, with what its end reports.
type Stream struct {
	Subscriber *broker.Subscriber
	Identity   *auth.Identity
	From       string // the client's address
	RequestID  string
	Started    time.Time
	Lease      Lease // what it has taken

	Range   *Range  // of a request for history; else nil
	Notices Notices // nil: frames of events; streams that do not end by themselves ping as those do
	Batch   int     // bytes that may gather before they are written, while more events are at hand; 0: none

	bytes   atomic.Int64   // written; the administrator sees it too
	account *share.Account // of what is yet to be written, while that is much
	socket  socket         // the shared writer's
	web     *webSocket     // of a socket
}

// notices returns the notices of the stream; the default is those of an event stream.
func (s *Stream) notices(c *Config) Notices {
	if s.Notices != nil {
		return s.Notices
	}
	return frames{c}
}

// Client is whose the stream is, as the administrator sees it.
func (s *Stream) Client() broker.Client {
	return broker.Client{RequestID: s.RequestID, Name: s.Identity.Name, Kind: s.Identity.Kind, From: s.From, Started: s.Started, Bytes: s.bytes.Load()}
}

// Owner is who the work for the stream is charged to.
func (s *Stream) Owner() string { return peer.Owner(s.Identity.Scope, s.From) }

// Range is what a request for history asks for.
type Range struct {
	Last   uint64   // the stream ends once everything at or before it is written; Endless without
	Limit  int      // or after this many events; 0: no limit
	Reason RangeEnd // what Last comes from
}

// RangeEnd is what ends a range: a parameter of its request. Clients see the word.
type RangeEnd string

// What ends ranges.
const (
	To    RangeEnd = "to"
	Until RangeEnd = "until"
	Limit RangeEnd = "limit"
)

// Ends reports whether the range ends by itself; that of nil, of a request that asks for no history, does not.
func (r *Range) Ends() bool { return r != nil && (r.Last != Endless || r.Limit > 0) }

// settles is how long after its time an event may still be on its way through the log.
const settles = 250 * time.Millisecond

// skew is how far the clocks of gateways and of their journal may be apart.
const skew = 2 * time.Second

// Left is how long something may still join the range, as ids are times of the log's clock. If other gateways have the log
// too, something may still be on its way to this one after that: a barrier waits for it.
func (r *Range) Left(log *eventlog.Log) time.Duration {
	if r.Last > math.MaxInt64/2 {
		return math.MaxInt64
	}
	left := log.Clock().Until(r.Last) + settles
	if !log.Alone() {
		left += skew
	}
	return left
}

// Endless is the Last of a range that goes on.
const Endless = 1<<64 - 1

// End is how a stream ended.
type End struct {
	Reason broker.End // one of the broker's, or of those below
	Bytes  int64      // written, heads and chunks included where we write them
	Err    error
}

// Reasons of a writer's own.
const (
	Gone   broker.End = "gone" // the client left
	Slow   broker.End = "slow" // it took no byte for the time allowed
	Failed            = broker.EndFailed
	Flood  broker.End = "flood" // it sent messages too fast for too long
	Over   broker.End = "over"  // the range it asked for is over
	Crowd  broker.End = "crowd" // it had not authenticated, and others came
	NoAuth broker.End = "auth"  // it did not authenticate, or not rightly
	Busy   broker.End = "busy"  // there was no room for it as who it is
)

// batchBytes is how much leaves in one write: enough to make a system call of a burst, and little
// enough that a slow client pins no more.
const batchBytes = 64 << 10

// Writers are the two.
type Writers struct {
	config *Config
	shared *shared    // nil where there is none
	turns  *sync.Pool // of sockets with goroutines of their own
}

// New makes the writers. Close ends them.
func New(c Config) (*Writers, error) {
	w := &Writers{config: &c, turns: newTurns()}
	if c.Shards < 0 {
		return w, nil
	}
	var err error
	w.shared, err = newShared(w.config)
	return w, err
}

// Close cuts the streams of the shared writer that have not ended, and waits for its goroutines.
func (w *Writers) Close() {
	if w.shared != nil {
		w.shared.close()
	}
}

// Place is where a request's stream is written. Its subscriber is to be of the group, which may be nil.
type Place struct {
	Group   *broker.Group
	Chunked bool // frames as chunks of HTTP/1.1

	writers *Writers
	shard   *shard
}

// Place finds the writer for a request. Answers that end by themselves have a goroutine each.
func (w *Writers) Place(r *http.Request, endsByItself bool) Place {
	p := Place{writers: w}
	if !endsByItself && w.shared != nil && sharable(r) {
		p.shard = w.shared.next()
		p.Group, p.Chunked = p.shard.group, r.ProtoMinor >= 1
	}
	return p
}

// Replacer is a connection below TLS that another one can take the place of.
type Replacer interface {
	Replace(by net.Conn) (before net.Conn)
}

// sharable reports whether the shared writer can take over a request's connection.
func sharable(r *http.Request) bool {
	if r.ProtoMajor != 1 {
		return false
	}
	if r.TLS == nil {
		return true
	}
	_, ok := share.ConnOf(r.Context()).(Replacer)
	return ok
}

// Serve writes the stream to the connection of a request whose answer's headers are set. It may return
// long before the stream ends.
func (p Place) Serve(c echo.Context, s *Stream) {
	if p.shard == nil {
		p.writers.serveGoroutine(c, s)
		return
	}
	reason, err := Failed, error(nil)
	defer func() { // after a panic as well
		if reason != "" {
			s.end(reason, err)
		}
	}()
	reason, err = p.shard.takeOver(c, s, p.Chunked)
}

func (s *Stream) end(reason broker.End, err error) {
	s.refund()
	s.Lease.End(End{Reason: reason, Bytes: s.bytes.Load(), Err: err})
}

// due says for what reason the stream is over now, or "".
func (s *Stream) due(now time.Time) broker.End {
	if reason := s.Subscriber.Ending(); reason != "" {
		return reason
	}
	if e := s.Identity.Expires; !e.IsZero() && !now.Before(e) {
		return broker.EndExpired
	}
	return ""
}

// appendLast appends the frame that a stream ends with for a reason, if there is one.
func (c *Config) appendLast(dst []byte, reason broker.End) []byte {
	switch reason {
	case broker.EndDraining:
		return sse.AppendBusy(dst, "", http.StatusServiceUnavailable, "the gateway is shutting down; come back in a moment", c.DrainRetry())
	case broker.EndBehind:
		return sse.AppendBusy(dst, "", http.StatusServiceUnavailable, "this gateway is behind the others of its cluster; come back in a moment", c.FailRetry())
	case broker.EndExpired:
		return sse.AppendExpired(dst, string(reason), 0)
	case broker.EndRevoked, broker.EndChanged:
		return sse.AppendExpired(dst, string(reason), c.CutRetry())
	case Failed:
		return sse.AppendBusy(dst, "", http.StatusServiceUnavailable, "the event log cannot be read now; come back in a moment", c.FailRetry())
	}
	return dst
}
