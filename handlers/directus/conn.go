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

// connectionRate bounds the messages of one connection: it is both the rate a second and the burst.
const connectionRate = 300

// nobody is the identity of a connection that has not authenticated.
var nobody = &auth.Identity{Name: "nobody", Kind: "none"}

// conn is one WebSocket. One goroutine does everything except reading frames. If a client does not read its answers, its
// next message waits, so nothing queues up for it.
type conn struct {
	h       *Handler
	ws      *websocket.Conn
	origin  string
	lease   *traffic.Lease // its subscriber has no channel: it ends the connection from outside, and knows the hub's position
	group   *broker.Group
	limiter *rate.Limiter
	bytes   int64

	account       *share.Account
	authenticated atomic.Bool   // who is not nil
	handled       chan struct{} // receives once a message of an unauthenticated client was handled

	charge           context.Context // the connection's context, made for paying: it names the client that its work is charged to
	chargedTo        *auth.Identity
	who              *auth.Identity // nil: not authenticated
	unwatch          func()         // of who
	ended            chan struct{}  // receives when who may have ended
	hasAuthenticated bool           // the client has authenticated once
	authTimer        *time.Timer    // for authenticating
	authTimerSet     time.Time      // since when that is set
	expiry           *time.Timer    // of who
	lastPing         time.Time      // at the last beat; zero: not
	received         atomic.Bool    // a message came since the last beat
	stalled          time.Duration  // how long writes to the client have waited recently

	subs    map[*broker.Subscriber]*subscription
	waiting []*subscription // those that may have changes to send
	marked  []*broker.Subscriber
}

// closing is why the gateway closes the connection.
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
	errFailed = &closing{writers.Failed, websocket.StatusGoingAway, "the gateway failed: subscribe again"}
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
		unwatch: func() {}, ended: make(chan struct{}, 1), handled: make(chan struct{}, 1), subs: map[*broker.Subscriber]*subscription{},
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

// crowdClose bounds the time to close a socket that has lost its place to another.
const crowdClose = 100 * time.Millisecond

// serve runs the connection to its end.
func (c *conn) serve(e echo.Context, who *auth.Identity) (reason broker.End, err error) {
	c.ws, err = websocket.Accept(e.Response(), e.Request(), &websocket.AcceptOptions{
		InsecureSkipVerify: true, // any origin: the gateway reads no cookies, and keys name their origins
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
	if err == nil || reason == writers.Failed { // with an error of the connection, the client would not answer the close
		if reason == writers.Crowd { // another socket has its place already
			if conn := share.ConnOf(ctx); conn != nil {
				defer time.AfterFunc(crowdClose, conn.Cut).Stop() // CloseNow would wait for the Close below
			}
		}
		_ = c.ws.Close(status, text) // it may be gone
	}
	return reason, err
}

// stoppedTimer returns a timer that does not run yet.
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

// run handles messages, changes and timers until the connection ends.
func (c *conn) run(ctx context.Context, messages <-chan incoming, who *auth.Identity) (broker.End, error) {
	c.authTimer, c.expiry = stoppedTimer(), stoppedTimer()
	defer c.authTimer.Stop()
	defer c.expiry.Stop()
	beat := time.NewTicker(c.h.o.Heartbeat)
	defer beat.Stop()
	switch {
	case who != nil:
		c.setIdentity(who)
	case c.h.o.Mode != Public:
		c.startAuthTimer()
	}
	for {
		more, err := c.sendChanges(ctx)
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
			case <-c.authTimer.C:
				err = c.authTimedOut()
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

// ending returns the end for a reason from outside the connection.
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

// charged returns the connection's context, which names the owner that its work is charged to. It is made once for each
// identity, since every event uses it.
func (c *conn) charged(ctx context.Context) context.Context {
	if c.charge == nil || c.chargedTo != c.who {
		c.charge, c.chargedTo = share.With(ctx, owner(c.who, c.lease.From)), c.who
	}
	return c.charge
}

// busy defines a slow reader: writes to the client have waited for a heartbeat divided by busy.
const busy = 8

// beat sends a ping to an authenticated client, and ends the connection if the client has not answered the last one. A
// client for which writes have waited recently reads slowly, and finds the last ping only after everything before it. It
// gets more beats, the more the longer writes have waited.
func (c *conn) beat() error {
	// After a late tick (a stop, or a long answer) the next comes soon, so the client has not had its time to answer yet.
	if !c.lastPing.IsZero() && time.Since(c.lastPing) < c.h.o.Heartbeat/2 {
		return nil
	}
	received, reads := c.received.Swap(false), c.stalled > c.h.o.Heartbeat/busy
	c.stalled /= 2
	if !c.lastPing.IsZero() && !received && !reads && !pause.Since(c.lastPing) {
		return errSilent
	}
	if c.lastPing = (time.Time{}); c.who == nil {
		return nil
	}
	c.lastPing = time.Now()
	return c.send([]byte(`{"type":"ping"}`))
}

// cutWhenEnding checks every second, until ctx ends, if the lease or the identity has ended, and then cuts the connection
// off.
func cutWhenEnding(ctx context.Context, lease *traffic.Lease, root *broker.Subscriber, who *auth.Identity, cut func()) *time.Timer {
	return time.AfterFunc(time.Second, func() {
		defer lease.Contain()
		switch {
		case ctx.Err() != nil:
		case root.Ending() != "", who != nil && who.Over(time.Now()) != nil:
			cut()
		default:
			cutWhenEnding(ctx, lease, root, who, cut)
		}
	})
}

// send writes a message. It has no time limit of its own: the connection below ends if the client takes no byte within
// WRITE_TIMEOUT. A client that takes some bytes may be slow, until the connection is ended from outside or its credential
// ends.
func (c *conn) send(text []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer cutWhenEnding(ctx, c.lease, c.lease.Subscriber, c.who, cancel).Stop()
	c.bytes += int64(len(text))
	c.h.o.Traffic.Wrote(len(text))
	began := time.Now()
	err := c.ws.Write(ctx, websocket.MessageText, text)
	c.stalled += time.Since(began)
	return err
}
