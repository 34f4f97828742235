package driftdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"sluice/broker"
	"sluice/broker/channel"
	"sluice/broker/eventlog"
	"sluice/handlers/httperr"
	"sluice/handlers/stream"
)

// Times of a connection.
const (
	holds     = 250 * time.Millisecond // pushes of keys that were not asked for yet, after the opening
	pingEvery = 3 * time.Second
	pongMost  = 4 * time.Second
)

// heldMost bounds what is held.
const heldMost = 256

// command is what the reader asks of the writer: an answer after all up to a place was handed out, or a get.
type command struct {
	get   *message
	key   string // of the answer, if it goes after the key's pushes
	text  []byte
	after uint64
}

// conn is one WebSocket.
type conn struct {
	h        *Handler
	ws       *websocket.Conn
	sub      *broker.Subscriber
	id       string
	mode     mode
	debug    bool
	commands chan command
	limiter  *rate.Limiter

	asked map[string]bool // while pushes are held; then nil
	held  []record
	late  []record // what a get's answer goes before
	bytes int64
}

func (h *Handler) connect(c echo.Context) error {
	id := c.Param("room")
	if err := h.join(id); err != nil {
		return err
	}
	defer h.part(id)
	if over := h.o.Traffic.EnterStream(anybody.Scope); over != nil {
		return over
	}
	open := &stream.Stream{Identity: anybody, From: c.RealIP(), RequestID: c.Response().Header().Get(echo.HeaderXRequestID), Started: time.Now()}
	one := &conn{
		h: h, id: id, mode: c.QueryParam("cbor") != "", debug: c.QueryParam("debug") != "", commands: make(chan command, 16),
		limiter: rate.NewLimiter(rate.Limit(h.o.Limits.ConnectionRate), h.o.Limits.ConnectionRate), asked: map[string]bool{},
	}
	// The cursor comes first: what is pushed from here on is handed out.
	start := eventlog.Start{After: h.o.Broker.Log().Settled()}
	var err error
	one.sub, err = h.o.Broker.Subscribe(broker.Filter{
		Channels: channel.NewSet(channel.Pattern{Space: space(id)}), Encoder: records{one.mode}, Start: &start, Silent: one.debug, Holder: open,
	}, nil)
	if err != nil {
		h.o.Traffic.LeaveStream(anybody.Scope)
		return httperr.New(http.StatusServiceUnavailable, httperr.Draining, "the gateway is shutting down; come back in a moment").After(time.Second)
	}
	open.Subscriber = one.sub
	h.o.Traffic.Opened()
	reason, err := one.serve(c)
	one.sub.Close()
	h.o.Traffic.Ended(h.o.Logger, open, stream.End{Reason: reason, Bytes: one.bytes, Err: err})
	return nil
}

// serve runs the connection to its end.
func (c *conn) serve(e echo.Context) (reason string, err error) {
	c.ws, err = websocket.Accept(e.Response(), e.Request(), &websocket.AcceptOptions{
		InsecureSkipVerify: true, // any origin: the room's id is what counts, and no cookie is looked at
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return stream.Gone, err // it has answered
	}
	e.Response().Committed = true
	c.ws.SetReadLimit(c.h.o.MaxBody)
	defer c.h.forget(c.id, c)
	ctx, cancel := context.WithCancel(e.Request().Context())
	defer cancel()
	done := make(chan struct{})
	go func() { // ends with the connection, which the writer closes
		defer close(done)
		defer cancel()
		c.read(ctx)
	}()
	reason, err = c.write(ctx)
	status := websocket.StatusNormalClosure
	if reason == broker.EndDraining || reason == stream.Failed {
		status = websocket.StatusGoingAway
	}
	if err == nil { // who does not answer is not waited for
		_ = c.ws.Close(status, "") // it may be gone
	}
	cancel()
	_ = c.ws.CloseNow() // the same
	<-done
	return reason, err
}

// read takes the client's messages until it is gone.
func (c *conn) read(ctx context.Context) {
	for {
		kind, frame, err := c.ws.Read(ctx)
		if err != nil {
			return
		}
		answer := c.take(ctx, kind, frame)
		if answer.text == nil && answer.get == nil {
			continue
		}
		select {
		case c.commands <- answer:
		case <-ctx.Done():
			return
		}
	}
}

// take does what a message asks for.
func (c *conn) take(ctx context.Context, kind websocket.MessageType, frame []byte) command {
	if !c.limiter.Allow() {
		return command{text: c.mode.failure(fmt.Sprintf("more than %d messages a second (ROOM_CONNECTION_RATE); slow down: this one was not taken", c.h.o.Limits.ConnectionRate))}
	}
	decode := decodeJSON
	if kind == websocket.MessageBinary {
		decode = decodeCBOR
	}
	m, err := decode(frame)
	if err != nil {
		return command{text: c.mode.failure(fmt.Sprintf("Could not decode message: %v", err))}
	}
	switch m.kind {
	case kindPing:
		return command{text: c.mode.pong(m)}
	case kindGet:
		return command{get: m}
	}
	at, size, err := c.h.publish(ctx, c.id, m)
	if err != nil {
		return command{text: c.mode.failure(err.Error())}
	}
	c.h.note(c.id, c, m)
	if size > 1 {
		return command{key: m.key, text: c.mode.size(m.key, size), after: at}
	}
	return command{}
}

// write hands out what comes until the connection ends.
func (c *conn) write(ctx context.Context) (string, error) {
	if c.debug {
		c.asked = nil
		if err := c.initAll(ctx); err != nil {
			return stream.Gone, err
		}
	}
	hold := time.NewTimer(holds)
	defer hold.Stop()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	pongs := make(chan error, 1)
	waiting := false
	for {
		if err := c.drain(ctx, nil, 0); err != nil {
			return broken(err)
		}
		if reason := c.sub.Ending(); reason != "" {
			return reason, nil
		}
		var err error
		select {
		case <-ctx.Done():
			return stream.Gone, nil
		case <-c.sub.Wake():
		case <-hold.C:
			err = c.release()
		case one := <-c.commands:
			err = c.do(ctx, one)
		case err = <-pongs:
			waiting = false
		case <-ping.C:
			if waiting {
				continue
			}
			waiting = true
			go func() { // ends within pongMost
				pong, cancel := context.WithTimeout(ctx, pongMost)
				defer cancel()
				pongs <- c.ws.Ping(pong)
			}()
		}
		if err != nil {
			return broken(err)
		}
	}
}

func broken(err error) (string, error) {
	switch {
	case errors.Is(err, eventlog.ErrUnavailable):
		return stream.Failed, err
	case errors.Is(err, context.DeadlineExceeded):
		return stream.Slow, err
	}
	return stream.Gone, err
}

func (c *conn) do(ctx context.Context, one command) error {
	if one.get != nil {
		return c.get(ctx, one.get)
	}
	if err := c.drain(ctx, nil, one.after); err != nil {
		return err
	}
	if one.after != 0 && c.holdsOf(one.key) {
		c.held = append(c.held, record{id: one.after, relay: true, key: one.key, text: one.text})
		return nil
	}
	return c.send(one.text)
}

// get answers with what a key retains. Pushes of the key that are in there are not handed out beside it.
func (c *conn) get(ctx context.Context, m *message) error {
	if c.asked != nil {
		c.asked[m.key] = true
	}
	if m.live {
		return c.releaseOf(m.key, 0)
	}
	entries, position, err := c.h.o.Broker.Retained(ctx, space(c.id), &m.key, 0)
	if err != nil {
		return err
	}
	if err := c.drain(ctx, &m.key, position); err != nil {
		return err
	}
	wanted := entries[:0]
	for _, e := range entries {
		if e.Seq > m.seq {
			wanted = append(wanted, e)
		}
	}
	if err := c.send(c.mode.init(m.key, wanted)); err != nil {
		return err
	}
	if err := c.releaseOf(m.key, position); err != nil {
		return err
	}
	late := c.late
	c.late = nil
	for _, r := range late {
		if err := c.hand(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// holdsOf tells whether anything of a key is held.
func (c *conn) holdsOf(key string) bool {
	return slices.ContainsFunc(c.held, func(r record) bool { return r.key == key })
}

// releaseOf hands out what is held of a key, but for the pushes up to a position.
func (c *conn) releaseOf(key string, position uint64) error {
	kept := c.held[:0:0]
	for _, r := range c.held {
		if r.key != key {
			kept = append(kept, r)
			continue
		}
		if r.id <= position && !r.relay {
			continue
		}
		if err := c.send(r.text); err != nil {
			return err
		}
	}
	c.held = kept
	return nil
}

// batch bounds a step of handing out.
const batch = 64 << 10

// drain hands out all there is, and at least what there is up to a position. Before a get's answer pushes of its key up
// to there are left out, and what is behind is kept for after it.
func (c *conn) drain(ctx context.Context, without *string, upto uint64) error {
	own := &broker.Block{}
	for {
		k, progress, err := c.sub.Next(ctx, own, batch)
		if err != nil {
			return err
		}
		if progress == broker.Idle {
			if c.sub.Position() >= upto {
				return nil
			}
			// The hub is about to have it: what is settled goes there at once.
			select {
			case <-c.sub.Wake():
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			continue
		}
		for b := k.Bytes; len(b) > 0; {
			var r record
			r, b = cut(b)
			if without != nil && r.key == *without && r.id <= upto && !r.relay {
				continue
			}
			if without != nil && r.id > upto {
				r.text = bytes.Clone(r.text)
				c.late = append(c.late, r)
				continue
			}
			if err := c.hand(ctx, r); err != nil {
				return err
			}
		}
		c.sub.Advance(k, len(k.Bytes))
		if without != nil && c.sub.Position() >= upto {
			return nil // the rest comes after the answer
		}
	}
}

// hand hands out a push, now or when the time of holding is over.
func (c *conn) hand(ctx context.Context, r record) error {
	switch {
	case c.debug && !r.relay:
		return c.initOne(ctx, r.key)
	case c.asked != nil && len(c.held) == heldMost:
		if err := c.release(); err != nil {
			return err
		}
	case c.asked != nil && !c.asked[r.key] && (!r.relay || c.holdsOf(r.key)):
		r.text = bytes.Clone(r.text)
		c.held = append(c.held, r)
		return nil
	}
	return c.send(r.text)
}

// release hands out what was held.
func (c *conn) release() error {
	c.asked = nil
	for _, r := range c.held {
		if err := c.send(r.text); err != nil {
			return err
		}
	}
	c.held = nil
	return nil
}

// initAll tells a debug connection of every key.
func (c *conn) initAll(ctx context.Context) error {
	entries, _, err := c.h.o.Broker.Retained(ctx, space(c.id), nil, 0)
	if err != nil {
		return err
	}
	byKey := map[string][]eventlog.Event{}
	var keys []string
	for _, e := range entries {
		if byKey[e.Key] == nil {
			keys = append(keys, e.Key)
		}
		byKey[e.Key] = append(byKey[e.Key], e)
	}
	for _, key := range keys {
		if err := c.send(c.mode.init(key, byKey[key])); err != nil {
			return err
		}
	}
	return nil
}

// initOne tells a debug connection of a key that has changed.
func (c *conn) initOne(ctx context.Context, key string) error {
	entries, _, err := c.h.o.Broker.Retained(ctx, space(c.id), &key, 0)
	if err != nil {
		return err
	}
	return c.send(c.mode.init(key, entries))
}

func (c *conn) send(text []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.h.o.WriteTimeout)
	defer cancel()
	kind := websocket.MessageText
	if c.mode == modeCBOR {
		kind = websocket.MessageBinary
	}
	c.bytes += int64(len(text))
	c.h.o.Traffic.Wrote(len(text))
	return c.ws.Write(ctx, kind, text)
}
