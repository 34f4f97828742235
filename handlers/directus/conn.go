package directus

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"sluice/auth"
	"sluice/broker"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/pause"
	"sluice/store/share"
)

// connectionRate is how many messages a second are taken of one connection, and at once.
const connectionRate = 300

// nobody is who a connection is of that has not told.
var nobody = &auth.Identity{Name: "nobody", Kind: "none"}

// conn is one WebSocket. One goroutine does all of it but reading frames: a client that does not read its answers
// has its next message wait, so nothing is queued for it.
type conn struct {
	h       *Handler
	ws      *websocket.Conn
	origin  string
	lease   *traffic.Lease // its subscriber is of no channel: it ends the connection from outside, and knows how far the hub is
	group   *broker.Group
	limiter *rate.Limiter
	bytes   int64

	account *share.Account
	known   atomic.Bool   // who is not nil
	taken   chan struct{} // receives when a message of nobody was dealt with

	charge   context.Context // of the connection; names the client that pays for its work, and is made for paying
	paying   *auth.Identity
	who      *auth.Identity // nil: nobody
	unwatch  func()         // of who
	ended    chan struct{}  // receives when who may have ended
	greeted  bool           // somebody has told who they are
	deadline *time.Timer    // to tell who they are
	awaited  time.Time      // since when that is set
	expiry   *time.Timer    // of who
	pinged   time.Time      // at the last beat; zero: not
	received atomic.Bool    // something was, since the last beat
	blocked  time.Duration  // how long the client has held up what is written to it, lately

	subs    map[*broker.Subscriber]*subscription
	waiting []*subscription // those that may have something to hand out
	marked  []*broker.Subscriber
}

// closing is why the connection ends by our side.
type closing struct {
	reason broker.End // for the log
	code   websocket.StatusCode
	text   string
}

func (e *closing) Error() string { return e.text }

// Why the connection ends. The SDK reconnects after any of them.
var (
	errAuth   = &closing{writers.NoAuth, websocket.StatusPolicyViolation, "authentication failed"}
	errSilent = &closing{writers.Gone, websocket.StatusPolicyViolation, "no sign of life"}
	errMissed = &closing{writers.Slow, websocket.StatusTryAgainLater, "some changes were lost: subscribe again"}
	errCrowd  = &closing{writers.Crowd, websocket.StatusTryAgainLater, "too many sockets wait for authentication: authenticate right after connecting"}
	errFull   = &closing{writers.Busy, websocket.StatusTryAgainLater, "too many connections, or too much memory in use: try again later"}
)

// connect is GET /websocket.
func (h *Handler) connect(c echo.Context) error {
	who, err := h.identify(c)
	if err == nil && who == nil && h.o.Mode == Strict {
		err = httperr.New(http.StatusUnauthorized, auth.MissingCredential, "a socket needs ?access_token= here (WEBSOCKET_AUTH=strict)")
	}
	if err != nil {
		return h.refuse(c, err)
	}
	origin := c.Request().Header.Get(echo.HeaderOrigin)
	one := &conn{
		h: h, lease: h.streams.Lease(c, cmp.Or(who, nobody)), origin: strings.Clone(origin[:min(len(origin), maxOrigin)]),
		group: h.o.Broker.NewGroup(), limiter: rate.NewLimiter(connectionRate, connectionRate),
		unwatch: func() {}, ended: make(chan struct{}, 1), taken: make(chan struct{}, 1), subs: map[*broker.Subscriber]*subscription{},
	}
	end := writers.End{Reason: writers.Failed}
	defer func() { // after a panic as well
		end.Bytes = one.bytes
		one.lease.End(end)
	}()
	if err := one.enter(who); err != nil {
		return h.refuse(c, err)
	}
	one.lease.Begin()
	end.Reason, end.Err = one.serve(c, who)
	return nil
}

// crowdClose is how long a socket that has lost its place has to close.
const crowdClose = 100 * time.Millisecond

// serve runs the connection to its end.
func (c *conn) serve(e echo.Context, who *auth.Identity) (reason broker.End, err error) {
	c.ws, err = websocket.Accept(e.Response(), e.Request(), &websocket.AcceptOptions{
		InsecureSkipVerify: true, // any origin: no cookie is looked at, and keys name theirs
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return writers.Gone, err // it has answered
	}
	e.Response().Committed = true
	ctx, cancel := context.WithCancel(e.Request().Context())
	writers.DropHead(e)
	messages, done := make(chan incoming), make(chan struct{})
	go func() { // ends with the connection, which is closed below
		defer close(done)
		defer cancel()
		defer c.lease.Contain()
		c.read(ctx, cancel, messages)
	}()
	defer func() {
		cancel()
		_ = c.ws.CloseNow() // it may be gone
		<-done
	}()
	reason, err = c.run(ctx, messages, who)
	status, text := websocket.StatusNormalClosure, ""
	var closing *closing
	switch {
	case errors.As(err, &closing):
		status, text, err = closing.code, closing.text, nil
	case reason != writers.Gone:
		status = websocket.StatusGoingAway
	}
	if err == nil { // who does not answer is not waited for
		if reason == writers.Crowd { // its place is another's already
			if conn := share.ConnOf(ctx); conn != nil {
				defer time.AfterFunc(crowdClose, conn.Cut).Stop() // CloseNow would wait for the Close below
			}
		}
		_ = c.ws.Close(status, text) // the same
	}
	return reason, err
}

// stoppedTimer is one that is still to be set.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// always is a channel that can always be received from.
var always = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// run does what is to do until the connection ends.
func (c *conn) run(ctx context.Context, messages <-chan incoming, who *auth.Identity) (broker.End, error) {
	c.deadline, c.expiry = stoppedTimer(), stoppedTimer()
	defer c.deadline.Stop()
	defer c.expiry.Stop()
	beat := time.NewTicker(c.h.o.Heartbeat)
	defer beat.Stop()
	switch {
	case who != nil:
		c.become(who)
	case c.h.o.Mode != Public:
		c.await()
	}
	for {
		more, err := c.handOut(ctx)
		var again chan struct{}
		if more {
			again = always
		}
		if reason := c.lease.Ending(); reason != "" {
			return ending(reason)
		}
		if err == nil {
			select {
			case <-ctx.Done():
				return ending(cmp.Or(c.lease.Ending(), writers.Gone))
			case <-again:
			case <-c.group.Wake():
			case m := <-messages:
				err = c.deal(ctx, &m)
			case <-c.deadline.C:
				err = c.late()
			case <-c.expiry.C:
				err = c.expire()
			case <-c.ended:
				if c.who != nil && c.who.Ended() != "" {
					err = c.expire()
				}
			case <-beat.C:
				err = c.beat()
			}
		}
		if err != nil {
			if reason := c.lease.Ending(); reason != "" { // which is why it was cut off
				return reason, err
			}
			return broken(err)
		}
	}
}

// ending is the end from outside.
func ending(reason broker.End) (broker.End, error) {
	if reason == writers.Crowd {
		return reason, errCrowd
	}
	return reason, nil
}

func broken(err error) (broker.End, error) {
	var closing *closing
	switch {
	case errors.As(err, &closing):
		return closing.reason, err
	case errors.Is(err, broker.ErrDraining):
		return broker.EndDraining, nil
	case errors.Is(err, eventlog.ErrUnavailable):
		return writers.Failed, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return writers.Slow, err
	}
	return writers.Gone, err
}

// charged is the connection's context, with who its work is charged to. It is made once for an identity, as it is used
// for each event.
func (c *conn) charged(ctx context.Context) context.Context {
	if c.charge == nil || c.paying != c.who {
		c.charge, c.paying = share.With(ctx, owner(c.who, c.lease.From)), c.who
	}
	return c.charge
}

// busy is the part of the time between two beats for which a client holds up writing that reads slowly.
const busy = 8

// beat tells an authenticated client that we are here, and ends with who has not answered the last time. Who has held up
// writing lately reads, and has the ping before it behind all that: it is given some more beats, the more the longer.
func (c *conn) beat() error {
	// A tick that came late, after a stop or a long answer, is soon followed by the next: the ping has not had its time yet.
	if !c.pinged.IsZero() && time.Since(c.pinged) < c.h.o.Heartbeat/2 {
		return nil
	}
	received, reads := c.received.Swap(false), c.blocked > c.h.o.Heartbeat/busy
	c.blocked /= 2
	if !c.pinged.IsZero() && !received && !reads && !pause.Since(c.pinged) {
		return errSilent
	}
	if c.pinged = (time.Time{}); c.who == nil {
		return nil
	}
	c.pinged = time.Now()
	return c.send([]byte(`{"type":"ping"}`))
}

// cutWhenEnding looks now and then, as long as ctx lasts, whether a connection is to end, or who it is of has ended, and
// cuts it off then.
func cutWhenEnding(ctx context.Context, root *broker.Subscriber, who *auth.Identity, cut func()) *time.Timer {
	return time.AfterFunc(time.Second, func() {
		switch {
		case ctx.Err() != nil:
		case root.Ending() != "", who != nil && who.Over(time.Now()) != nil:
			cut()
		default:
			cutWhenEnding(ctx, root, who, cut)
		}
	})
}

// send writes a message. It has no time of its own: the connection below ends who takes no byte for WRITE_TIMEOUT, and
// one who takes some may be as slow as it likes, until the connection is ended from outside or its credential ends.
func (c *conn) send(text []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer cutWhenEnding(ctx, c.lease.Subscriber, c.who, cancel).Stop()
	c.bytes += int64(len(text))
	c.h.o.Traffic.Wrote(len(text))
	began := time.Now()
	err := c.ws.Write(ctx, websocket.MessageText, text)
	c.blocked += time.Since(began)
	return err
}
