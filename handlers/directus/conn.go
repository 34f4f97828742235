package directus

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"sluice/auth"
	"sluice/broker"
	"sluice/broker/eventlog"
	"sluice/broker/share"
	"sluice/handlers/httperr"
	"sluice/handlers/stream"
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
	open    *stream.Stream     // as it is counted
	root    *broker.Subscriber // of no channel: by it the connection is ended from outside, and knows how far the hub is
	group   *broker.Group
	limiter *rate.Limiter
	bytes   int64

	charge   context.Context //nolint:containedctx // the connection's, with who its work is charged to; made for paying
	paying   *auth.Identity
	who      *auth.Identity // nil: nobody
	unwatch  func()         // of who
	ended    chan struct{}  // receives when who may have ended
	greeted  bool           // somebody has told who they are
	deadline *time.Timer    // to tell who they are
	expiry   *time.Timer    // of who
	pinged   bool           // at the last beat
	heard    atomic.Bool    // something was, since the last beat
	held     time.Duration  // how long the client has held up what is written to it, lately

	subs    map[*broker.Subscriber]*subscription
	waiting []*subscription // those that may have something to hand out
	taken   []*broker.Subscriber
}

// closing is why the connection ends by our side.
type closing struct {
	reason string // for the log
	code   websocket.StatusCode
	text   string
}

func (e *closing) Error() string { return e.text }

// Why the connection ends. The SDK reconnects after any of them.
var (
	errAuth   = &closing{"auth", websocket.StatusPolicyViolation, "authentication failed"}
	errSilent = &closing{stream.Gone, websocket.StatusPolicyViolation, "no sign of life"}
	errMissed = &closing{stream.Slow, websocket.StatusTryAgainLater, "changes are gone that were not told: subscribe again"}
)

// connect is GET /websocket.
func (h *Handler) connect(c echo.Context) error {
	who, err := h.identify(c)
	if err == nil && who == nil && h.o.Mode == Strict {
		missing := fail(http.StatusUnauthorized, codeCredentials, "a socket needs ?access_token= here (WEBSOCKET_AUTH=strict)")
		missing.shared = auth.MissingCredential // which the audit trail leaves out
		err = missing
	}
	if err != nil {
		return h.refuse(c, err)
	}
	counted := nobody
	if who != nil {
		counted = who
	}
	if over := h.o.Traffic.EnterStream(counted.Scope); over != nil {
		if over.Code != httperr.Draining {
			over = httperr.New(http.StatusForbidden, over.Code, "%s", over.Message)
		}
		return h.refuse(c, over)
	}
	one := &conn{
		h: h, origin: c.Request().Header.Get(echo.HeaderOrigin), group: h.o.Broker.NewGroup(), limiter: rate.NewLimiter(connectionRate, connectionRate),
		unwatch: func() {}, ended: make(chan struct{}, 1), subs: map[*broker.Subscriber]*subscription{},
		open: &stream.Stream{Identity: counted, From: c.RealIP(), RequestID: c.Response().Header().Get(echo.HeaderXRequestID), Started: time.Now()},
	}
	if err := one.holdAs(counted); err != nil {
		h.o.Traffic.LeaveStream(counted.Scope)
		return h.refuse(c, err)
	}
	h.o.Traffic.Opened()
	end := stream.End{Reason: stream.Failed}
	defer func() { // after a panic as well: what is not given back here is counted for ever
		one.leave()
		end.Bytes = one.bytes
		h.o.Traffic.Ended(h.o.Logger, one.open, end)
	}()
	end.Reason, end.Err = one.serve(c, who)
	return nil
}

// holdAs makes the connection known as somebody's, to those who list and end connections.
func (c *conn) holdAs(who *auth.Identity) error {
	open := *c.open
	open.Identity = who
	root, err := c.h.o.Broker.Subscribe(broker.Filter{Holder: &open}, c.group)
	if err != nil {
		return err
	}
	if c.root != nil {
		c.root.Close()
	}
	open.Subscriber = root
	c.open, c.root = &open, root
	return nil
}

// leave gives all back.
func (c *conn) leave() {
	c.unwatch()
	for _, one := range c.subs {
		c.end(one)
	}
	c.root.Close()
}

// serve runs the connection to its end.
func (c *conn) serve(e echo.Context, who *auth.Identity) (reason string, err error) {
	c.ws, err = websocket.Accept(e.Response(), e.Request(), &websocket.AcceptOptions{
		InsecureSkipVerify: true, // any origin: no cookie is looked at, and keys name theirs
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return stream.Gone, err // it has answered
	}
	e.Response().Committed = true
	c.ws.SetReadLimit(c.h.o.MaxBody)
	ctx, cancel := context.WithCancel(e.Request().Context())
	frames, done := make(chan []byte), make(chan struct{})
	go func() { // ends with the connection, which is closed below
		defer close(done)
		defer cancel()
		c.read(ctx, frames)
	}()
	defer func() {
		cancel()
		_ = c.ws.CloseNow() // it may be gone
		<-done
	}()
	reason, err = c.run(ctx, frames, who)
	status, text := websocket.StatusNormalClosure, ""
	var closing *closing
	switch {
	case errors.As(err, &closing):
		status, text, err = closing.code, closing.text, nil
	case reason != stream.Gone:
		status = websocket.StatusGoingAway
	}
	if err == nil { // who does not answer is not waited for
		_ = c.ws.Close(status, text) // it may be gone
	}
	return reason, err
}

// read hands on the client's frames until it is gone.
func (c *conn) read(ctx context.Context, frames chan<- []byte) {
	for {
		frame, err := c.frame(ctx)
		if err != nil {
			return
		}
		c.heard.Store(true)
		select {
		case frames <- frame:
		case <-ctx.Done():
			return
		}
	}
}

// frame waits for a message, which has to be there soon after it has begun: else half a message, of which there may be
// many, would be held as long as the client likes.
func (c *conn) frame(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, r, err := c.ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer time.AfterFunc(c.h.o.ReadTimeout, cancel).Stop()
	return io.ReadAll(r)
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
func (c *conn) run(ctx context.Context, frames <-chan []byte, who *auth.Identity) (string, error) {
	c.deadline, c.expiry = stoppedTimer(), stoppedTimer()
	defer c.deadline.Stop()
	defer c.expiry.Stop()
	beat := time.NewTicker(c.h.o.Heartbeat)
	defer beat.Stop()
	switch {
	case who != nil:
		c.become(who)
	case c.h.o.Mode != Public:
		c.deadline.Reset(c.h.o.AuthTimeout)
	}
	for {
		more, err := c.handOut(ctx)
		var again chan struct{}
		if more {
			again = always
		}
		if reason := c.root.Ending(); reason != "" {
			return reason, nil
		}
		if err == nil {
			select {
			case <-ctx.Done():
				return stream.Gone, nil
			case <-again:
			case <-c.group.Wake():
			case text := <-frames:
				err = c.take(ctx, text)
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
			if reason := c.root.Ending(); reason != "" { // which is why it was cut off
				return reason, err
			}
			return broken(err)
		}
	}
}

func broken(err error) (string, error) {
	var closing *closing
	switch {
	case errors.As(err, &closing):
		return closing.reason, err
	case errors.Is(err, broker.ErrDraining):
		return broker.EndDraining, nil
	case errors.Is(err, eventlog.ErrUnavailable):
		return stream.Failed, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return stream.Slow, err
	}
	return stream.Gone, err
}

// charged is the connection's context, with who its work is charged to. It is made once for an identity, as it is used
// for each event.
func (c *conn) charged(ctx context.Context) context.Context {
	if c.charge == nil || c.paying != c.who {
		c.charge, c.paying = share.With(ctx, owner(c.who, c.open.From)), c.who
	}
	return c.charge
}

// busy is the part of the time between two beats for which a client holds up writing that reads slowly.
const busy = 8

// beat tells an authenticated client that we are here, and ends with who has not answered the last time. Who has held up
// writing lately reads, and has the ping before it behind all that: it is given some more beats, the more the longer.
func (c *conn) beat() error {
	heard, reads := c.heard.Swap(false), c.held > c.h.o.Heartbeat/busy
	c.held /= 2
	if c.pinged && !heard && !reads {
		return errSilent
	}
	if c.pinged = c.who != nil; !c.pinged {
		return nil
	}
	return c.send([]byte(`{"type":"ping"}`))
}

// cutWhenEnding looks now and then, as long as ctx lasts, whether a connection is to end, and cuts it off then.
func cutWhenEnding(ctx context.Context, root *broker.Subscriber, cut func()) *time.Timer {
	return time.AfterFunc(time.Second, func() {
		switch {
		case ctx.Err() != nil:
		case root.Ending() != "":
			cut()
		default:
			cutWhenEnding(ctx, root, cut)
		}
	})
}

// send writes a message. It has no time of its own: the connection below ends who takes no byte for WRITE_TIMEOUT, and
// one who takes some may be as slow as it likes, unless the connection is ended from outside.
func (c *conn) send(text []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer cutWhenEnding(ctx, c.root, cancel).Stop()
	c.bytes += int64(len(text))
	c.h.o.Traffic.Wrote(len(text))
	began := time.Now()
	err := c.ws.Write(ctx, websocket.MessageText, text)
	c.held += time.Since(began)
	return err
}
