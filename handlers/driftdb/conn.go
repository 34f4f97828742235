package driftdb

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"

	"sluice/auth"
	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/store/eventlog"
	"sluice/store/rooms"
	"sluice/store/share"
)

// Times of a connection.
const (
	delayTime = 250 * time.Millisecond // from the opening on, for pushes of keys that the client has not asked for
	pingEvery = 3 * time.Second
)

// command is what a message asks the socket to say: the answer to a get, or a frame after all pushes up to an id.
type command struct {
	get   *message
	frame []byte
	after uint64
	end   bool // the room does not exist any more: close the connection after the frame
}

func (o *command) empty() bool { return o.get == nil && o.frame == nil }

// conn is one WebSocket: the conversation that a writer has with its client.
type conn struct {
	h       *Handler
	lease   *traffic.Lease
	sub     *broker.Subscriber
	id      string
	mode    mode
	debug   bool
	begun   bool        // a debug connection has sent every key
	pace    *rooms.Pace // nil: no message has come
	clients rooms.Clients

	answer  command // of Take
	command command // to be done by Serve
	get     *answer // being answered
	load    *load   // memory of the answer in progress; nil: there was none yet
	fetched *broker.Block
	out     []byte    // frames that the current step says
	ready   []byte    // frames to say first, in memory of their own
	late    []record  // pushes to send after the answer to the current get
	retry   time.Time // when to look again for a push that the broker gets in a moment; zero: not
	last    uint64    // the greatest number sent
	hold    *hold     // nil after the delay
}

func (h *Handler) connect(c echo.Context) error {
	id := strings.Clone(c.Param("room")) // a substring would keep the request in memory
	lease := h.streams.Lease(c, anybody)
	lease.SetKind(traffic.KindRoomSocket)
	defer lease.Close()
	one := &conn{h: h, lease: lease, id: id, mode: c.QueryParam("cbor") != "", debug: c.QueryParam("debug") != ""}
	if !one.debug {
		one.hold = &hold{until: time.Now().Add(delayTime), asked: map[string]bool{}}
	}
	if err := h.join(c, id); err != nil {
		return err
	}
	lease.Hold(one)
	if err := lease.EnterOpen(); err != nil {
		return err
	}
	account := lease.Account(0)
	place := h.writers.Place(c.Request(), false)
	// The cursor comes first: the connection gets every push from here on.
	start := eventlog.Start{After: h.o.Broker.Log().Settled()}
	if err := lease.Subscribe(broker.Filter{
		Channels: channel.NewSet(channel.Pattern{Space: rooms.Space(id)}), Encoder: records{one.mode}, Start: &start, Opened: true, Silent: one.debug,
	}, place.Group); err != nil {
		return err // the gateway drains
	}
	one.sub = lease.Subscriber
	lease.ServeSocket(c, place, one, &h.sockets, account)
	return nil
}

// Release gives back what the connection has in addition to its lease: its place in the room's count, its presence, and its
// share of the memory for answers.
func (c *conn) Release() {
	c.h.rooms.Forget(c.id, &c.clients)
	c.h.rooms.Disconnect(c.id)
	if c.load != nil {
		c.load.done()
	}
}

// charged returns a context whose work is charged to the client's address, since a room needs no credential.
func (c *conn) charged(ctx context.Context) context.Context {
	return share.WithSender(ctx, c.lease.Owner(), traffic.Sender(doorName, anybody, c.lease.From, c.lease.RequestID))
}

// Woken does nothing: Serve looks at the only subscriber.
func (*conn) Woken(*broker.Subscriber) {}

// Identity returns none: everybody may be in a room.
func (*conn) Identity() *auth.Identity { return nil }

// MaxMessage returns the most bytes of a message.
func (c *conn) MaxMessage() int64 { return c.h.o.MaxBody }

// Due returns when delayed pushes are to be sent, or when to look again.
func (c *conn) Due() time.Time {
	if !c.retry.IsZero() || c.hold == nil || len(c.hold.delayed) == 0 {
		return c.retry
	}
	return c.hold.until
}

// Tick ends the delay.
func (c *conn) Tick(now time.Time) (bool, error) {
	if c.hold != nil && !now.Before(c.hold.until) && len(c.hold.delayed) == 0 {
		c.hold = nil
	}
	due := c.Due()
	return !due.IsZero() && !now.Before(due), nil
}

// Wrote notes that the client takes its answer, or has it.
func (c *conn) Wrote(left int, _ time.Time) {
	switch {
	case c.load == nil || !c.load.charged():
	case left > 0:
		c.load.reading()
	case c.get == nil && len(c.ready) == 0:
		c.load.done()
	}
}

// errDropped ends the connection to a room that does not exist any more.
var errDropped = errors.New("the room does not exist any more")

// Closing returns how the connection ends.
func (c *conn) Closing(reason broker.End, err error) writers.Closing {
	end := writers.Closing{Reason: reason, Cause: err, Code: websocket.StatusNormalClosure}
	switch {
	case err == nil:
		if reason == broker.EndDraining || reason == broker.EndBehind || reason == writers.Failed {
			end.Code = websocket.StatusGoingAway
		}
	case errors.Is(err, rooms.ErrFlood):
		end = writers.Closing{Reason: writers.Flood, Code: websocket.StatusPolicyViolation, Text: rooms.ErrFlood.Error()}
	case errors.Is(err, errDropped): // the client comes back and may make the room again
		end = writers.Closing{Reason: writers.Gone, Code: websocket.StatusGoingAway, Text: rooms.ErrNoRoom.Error()}
	case errors.Is(err, eventlog.ErrUnavailable):
		end.Reason, end.Code = writers.Failed, websocket.StatusGoingAway
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		end.Reason, end.Code = writers.Slow, 0
	default:
		end.Reason, end.Code = writers.Gone, 0
	}
	return end
}
