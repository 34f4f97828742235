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
	"sluice/handlers/wsframe"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// connectionRate bounds the messages of one connection: it is both the rate a second and the burst.
const connectionRate = 300

// firstMessage bounds the messages of a client that has not authenticated.
const firstMessage = 8 << 10

// nobody is the identity of a connection that has not authenticated.
var nobody = &auth.Identity{Name: "nobody", Kind: "none"}

// conn is one WebSocket: the conversation that a writer has with its client, one thing at a time. If a client does not read
// its answers, its next message waits, so nothing queues up for it.
type conn struct {
	h       *Handler
	origin  string
	lease   *traffic.Lease // its subscriber has no channel: it ends the connection from outside
	group   *broker.Group
	limiter *rate.Limiter // nil: no message has come recently
	account *share.Account

	who     *auth.Identity // nil: not authenticated
	unwatch func()         // of who

	authenticated    atomic.Bool // who is not nil; any goroutine may read it
	watches          bool        // the writer looks at the identity only when it is woken
	hasAuthenticated bool        // the client has authenticated once
	received         bool        // a message came since the last beat
	failed           bool        // a subscription has ended from outside

	authSet  time.Time     // since when the client has its time to authenticate; zero: it needs not
	nextBeat time.Time     // when a ping is due
	lastPing time.Time     // at the last beat; zero: not
	waits    time.Time     // since when a write waits for the client; zero: none does
	stalled  time.Duration // how long writes to the client have waited recently

	subs     []*subscription // by Subscriber.Spot; a map for one takes 150 bytes
	waiting  []*subscription // those that may have changes to send
	position uint64          // of the last Turn

	out     []byte // frames to send
	charged int64  // of large ones in out, or being written
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
	who, err := h.identifySocket(c)
	if err == nil && who == nil && h.o.Mode == Strict {
		err = httperr.New(http.StatusUnauthorized, auth.MissingCredential, "a socket needs a credential in its request here, such as ?access_token= (WEBSOCKET_AUTH=strict)")
	}
	if err != nil {
		return h.refuse(c, err)
	}
	origin := c.Request().Header.Get(echo.HeaderOrigin)
	place := h.writers.Place(c.Request(), false)
	one := &conn{
		h: h, lease: h.streams.Lease(c, cmp.Or(who, nobody)), origin: strings.Clone(origin[:min(len(origin), maxOrigin)]),
		group: place.Group, nextBeat: time.Now().Add(h.o.Heartbeat),
	}
	if one.group == nil {
		one.group, one.watches = h.o.Broker.NewGroup(), true
		place.Group = one.group
	}
	defer one.lease.Close()
	if err := one.enter(who); err != nil {
		return h.refuse(c, err)
	}
	switch {
	case who != nil:
		one.setIdentity(who)
	case h.o.Mode != Public:
		one.startAuthTime()
	}
	one.lease.ServeSocket(c, place, one, &h.sockets, one.account)
	return nil
}

// MaxMessage returns the most bytes of a message.
func (c *conn) MaxMessage() int64 {
	if !c.authenticated.Load() {
		return min(c.h.o.MaxBody, firstMessage)
	}
	return c.h.o.MaxBody
}

// Identity returns the identity that must last while something is written.
func (c *conn) Identity() *auth.Identity { return c.who }

// Take handles a message.
func (c *conn) Take(ctx context.Context, m *wsframe.Message) error {
	c.received = true
	if m.Refused != nil {
		c.fail(typeServer, m.Refused, "")
		return nil
	}
	return c.take(ctx, m.Text)
}

// Taken does nothing: Take has left the answer to Serve.
func (*conn) Taken() {}

// Wrote measures how long the client makes writes wait, and gives back what was charged for large messages.
func (c *conn) Wrote(left int, now time.Time) {
	if !c.waits.IsZero() {
		c.stalled += now.Sub(c.waits)
	}
	if c.waits = now; left > 0 {
		return
	}
	c.waits = time.Time{}
	if len(c.out) == 0 && c.charged > 0 {
		c.account.Give(c.charged)
		c.charged = 0
	}
}

// Closing returns how the connection ends.
func (c *conn) Closing(reason broker.End, err error) writers.Closing {
	end := writers.Closing{Reason: reason, Code: websocket.StatusGoingAway}
	if reason == writers.Crowd {
		err = errCrowd
	}
	var closing *closing
	switch {
	case err == nil && reason == writers.Gone:
		end.Code = websocket.StatusNormalClosure
	case err == nil:
	case errors.As(err, &closing):
		end = writers.Closing{Reason: closing.reason, Code: closing.code, Text: closing.text}
	case errors.Is(err, broker.ErrDraining):
		end.Reason = broker.EndDraining
	case errors.Is(err, eventlog.ErrUnavailable):
		end.Reason, end.Cause = writers.Failed, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		end = writers.Closing{Reason: writers.Slow, Cause: err}
	default:
		end = writers.Closing{Reason: writers.Gone, Cause: err}
	}
	return end
}

// maxHead is the longest head of a frame.
const maxHead = 10

// send leaves a message to Serve.
func (c *conn) send(text []byte) {
	c.out = wsframe.Append(c.out, websocket.MessageText, text)
}

// sendLarge is send for a message in memory of its own, which begins after maxHead bytes for the head. It can be long, and is
// not copied if nothing is before it.
func (c *conn) sendLarge(text []byte) {
	if len(c.out) > 0 {
		c.send(text[maxHead:])
		return
	}
	var room [maxHead]byte
	head := wsframe.AppendHead(room[:0], websocket.MessageText, len(text)-maxHead)
	c.out = text[maxHead-len(head):]
	copy(c.out, head)
}
