package driftdb

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

	"sluice/broker"
	"sluice/channel"
	"sluice/handlers/httperr"
	"sluice/handlers/traffic"
	"sluice/handlers/writers"
	"sluice/handlers/wsread"
	"sluice/store/eventlog"
	"sluice/store/rooms"
	"sluice/store/share"
)

// Times of a connection.
const (
	delayTime = 250 * time.Millisecond // from the opening on, for pushes of keys that the client has not asked for
	pingEvery = 3 * time.Second
)

// command is a request from the reader to the writer: answer a get, or send a text after all pushes up to an id.
type command struct {
	get   *message
	text  []byte
	after uint64
	end   bool // the room does not exist any more: close the connection after the text
}

// conn is one WebSocket.
type conn struct {
	h        *Handler
	lease    *traffic.Lease
	ws       *socket
	sub      *broker.Subscriber
	id       string
	mode     mode
	debug    bool
	commands chan command
	pace     rooms.Pace
	clients  rooms.Clients
	account  *share.Account

	stalled     atomic.Bool     // it was cut off, because others waited for the memory that it used
	flooded     atomic.Bool     // it is being closed, because it sends too fast for too long
	waits       atomic.Bool     // a push of the client waits for the room's rates or the log's queue
	received    atomic.Int64    // messages from the client
	load        load            // memory of the answer in progress
	last        uint64          // the greatest number sent
	asked       map[string]bool // keys that the client asked for; nil after the delay
	delayed     []record        // pushes in order, with answers that follow them
	delayedSize int             // the bytes of delayed
	afterAnswer []record        // pushes to send after the answer to the current get
	dropped     bool            // the room does not exist any more
}

func (h *Handler) connect(c echo.Context) error {
	id := strings.Clone(c.Param("room")) // a substring would keep the request in memory
	lease := h.streams.Lease(c, anybody)
	lease.SetKind(traffic.KindRoomSocket)
	one := &conn{
		h: h, lease: lease, id: id, mode: c.QueryParam("cbor") != "", debug: c.QueryParam("debug") != "", commands: make(chan command, 16),
		asked: map[string]bool{},
	}
	end := writers.End{Reason: writers.Failed}
	defer func() { // after a panic as well
		end.Bytes = one.written()
		lease.End(end)
	}()
	if err := h.join(c, id); err != nil {
		return err
	}
	lease.Hold(one)
	if err := lease.EnterOpen(); err != nil {
		return err
	}
	one.account = lease.Account(0)
	one.pace = rooms.NewPace(h.o.Limits)
	// The cursor comes first: the connection gets every push from here on.
	start := eventlog.Start{After: h.o.Broker.Log().Settled()}
	if err := lease.Subscribe(broker.Filter{
		Channels: channel.NewSet(channel.Pattern{Space: rooms.Space(id)}), Encoder: records{one.mode}, Start: &start, Silent: one.debug,
	}, nil); err != nil {
		return err // the gateway drains
	}
	one.sub = lease.Subscriber
	lease.Begin()
	end.Reason, end.Err = one.serve(c)
	return nil
}

// Release removes the connection from its room's count.
func (c *conn) Release() { c.h.rooms.Disconnect(c.id) }

// serve runs the connection to its end.
func (c *conn) serve(e echo.Context) (reason broker.End, err error) {
	if c.ws, err = accept(e, &c.load); err != nil {
		return writers.Gone, err
	}
	c.load.of, c.load.cut = c.h.unread, c.cut
	ctx, cancel := context.WithCancel(charged(e))
	writers.DropHead(e)
	done := make(chan struct{})
	// The reader ends with the connection. Release nothing before the reader has ended, because the reader uses all of it.
	// This is deferred so that a panic here also ends the reader.
	defer func() {
		cancel()
		_ = c.ws.CloseNow() // it may be gone
		<-done
		c.h.rooms.Forget(c.id, &c.clients)
		c.load.done()
	}()
	go func() {
		defer close(done)
		defer cancel()
		defer c.lease.Contain()
		c.read(ctx, cancel)
	}()
	reason, err = c.write(ctx)
	status, why := websocket.StatusNormalClosure, ""
	switch {
	case c.flooded.Load():
		reason, status, why = writers.Flood, websocket.StatusPolicyViolation, rooms.ErrFlood.Error()
	case c.dropped: // the client comes back and may make the room again
		status, why = websocket.StatusGoingAway, rooms.ErrNoRoom.Error()
	case reason == broker.EndDraining || reason == broker.EndBehind || reason == writers.Failed:
		status = websocket.StatusGoingAway
	}
	if err == nil || c.flooded.Load() || reason == writers.Failed { // with an error of the connection, the client would not answer the close
		_ = c.ws.Close(status, why) // it may be gone
	}
	return reason, err
}

// cut ends the connection of a client that does not read its answer.
func (c *conn) cut() {
	c.stalled.Store(true)
	_ = c.ws.line.Close() // it may be gone
}

// written returns the total bytes of the messages sent.
func (c *conn) written() int64 {
	if c.ws == nil {
		return 0
	}
	return c.ws.bytes
}

// read takes the client's messages until it is gone.
func (c *conn) read(ctx context.Context, cut func()) {
	reader := wsread.New(c.ws.Conn, c.account, c.h.o.ReadTimeout, cut, c.lease.Contain)
	defer reader.Close()
	reader.SkipLong()
	for {
		if err := c.pace.Wait(ctx); err != nil {
			c.flooded.Store(errors.Is(err, rooms.ErrFlood))
			return
		}
		m, err := reader.Next(ctx, c.h.o.MaxBody)
		if err != nil {
			return
		}
		c.received.Add(1)
		c.pace.Count()
		answer := c.deal(ctx, &m)
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

// largeFrame is the most bytes of a CBOR frame that is decoded without waiting for a turn.
const largeFrame = 16 << 10

// decode reads a frame. The decoded tree of a CBOR frame takes a hundred times the frame's length. So only a few large frames
// are decoded at once, and addresses take turns.
func (h *Handler) decode(ctx context.Context, kind websocket.MessageType, frame []byte) (*message, error) {
	if kind != websocket.MessageBinary {
		return decodeJSON(frame)
	}
	if len(frame) > largeFrame {
		turn, err := h.large.Take(ctx, 1)
		if err != nil {
			return nil, err
		}
		defer turn.Release()
	}
	return decodeCBOR(frame)
}

// refuse makes the answer to a refused message. It counts the refusal and logs its cause.
func (c *conn) refuse(err error) command {
	e := httperr.From(err)
	c.h.o.Traffic.Refused(doorName, e.Code)
	httperr.LogMessage(c.h.o.Logger, connectPath, c.lease.RequestID, e)
	return command{text: c.mode.failure(e.Message)}
}

// deal handles a message and releases its memory.
func (c *conn) deal(ctx context.Context, m *wsread.Message) command {
	defer m.Release()
	if m.Long {
		return c.refuse(httperr.New(http.StatusRequestEntityTooLarge, httperr.BodyTooLarge, "a message may have %d bytes (MAX_BODY): this one was ignored", c.h.o.MaxBody))
	}
	if m.Refused != nil {
		return c.refuse(m.Refused)
	}
	return c.take(ctx, m.Kind, m.Text)
}

// take decodes a message and handles it.
func (c *conn) take(ctx context.Context, kind websocket.MessageType, frame []byte) command {
	m, err := c.h.decode(ctx, kind, frame)
	if err != nil {
		return c.refuse(undecodable(err))
	}
	switch m.kind {
	case kindPing:
		return command{text: c.mode.pong(m)}
	case kindGet:
		return command{get: m}
	}
	at, size, err := c.store(ctx, m)
	if ctx.Err() != nil && err != nil {
		return command{} // the client is gone
	}
	if err != nil {
		refused := c.refuse(err)
		refused.end = errors.Is(err, rooms.ErrNoRoom)
		return refused
	}
	e := m.event("")
	c.h.rooms.Note(c.id, &c.clients, &e)
	if size > 1 {
		return command{text: c.mode.size(m.key, size), after: at}
	}
	return command{}
}

// write sends pushes and answers until the connection ends.
func (c *conn) write(ctx context.Context) (broker.End, error) {
	if c.debug {
		c.asked = nil
		if err := c.initAll(ctx); err != nil {
			return c.broken(err)
		}
	}
	delay := time.NewTimer(delayTime)
	defer delay.Stop()
	delayOver := delay.C
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	pongs := make(chan error, 1)
	waiting := false
	for {
		if err := cmp.Or(c.drain(ctx, 0, nil), c.ws.flush(nil)); err != nil {
			return c.broken(err)
		}
		if reason := c.lease.Ending(); reason != "" {
			return reason, nil
		}
		var err error
		select {
		case <-ctx.Done():
			return cmp.Or(c.lease.Ending(), writers.Gone), nil
		case <-c.sub.Wake():
		case <-delayOver:
			delayOver = nil // the select runs for each push, and a nil channel makes it cheaper
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
			// The client must read everything before the ping, and only then sends the pong. So a slow client has
			// WRITE_TIMEOUT for it.
			go func() { // ends with the connection, or earlier
				err := errPanic
				defer func() { pongs <- err }()
				defer c.lease.Contain()
				err = c.ping(ctx)
			}()
		}
		if err != nil {
			return c.broken(err)
		}
	}
}

// errPanic is the result of a ping that panicked.
var errPanic = errors.New("a panic; the log has its stack")

// errDropped ends the connection to a room that does not exist any more.
var errDropped = errors.New("the room does not exist any more")

func (c *conn) broken(err error) (broker.End, error) {
	switch {
	case errors.Is(err, errPanic):
		return writers.Failed, nil
	case errors.Is(err, errDropped):
		c.dropped = true
		return writers.Gone, nil
	case c.stalled.Load():
		return writers.Slow, err
	case errors.Is(err, eventlog.ErrUnavailable):
		return writers.Failed, err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return writers.Slow, err
	}
	return writers.Gone, err
}

func (c *conn) do(ctx context.Context, one command) error {
	if one.get != nil {
		return c.get(ctx, one.get)
	}
	if err := c.drain(ctx, one.after, nil); err != nil {
		return err
	}
	if one.after != 0 && len(c.delayed) > 0 {
		return c.delay(record{relay: true, text: one.text}) // its push may be delayed, and must go first
	}
	err := c.send(one.text)
	if err == nil && one.end {
		err = cmp.Or(c.ws.flush(nil), errDropped)
	}
	return err
}

// initAll sends every key to a debug connection.
func (c *conn) initAll(ctx context.Context) error {
	defer c.load.done()
	entries, _, err := c.h.retained(ctx, c.id, nil, &c.load)
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

// initOne sends a changed key to a debug connection.
func (c *conn) initOne(ctx context.Context, key string) error {
	if !c.load.charged() { // a share that it has already is for the answer that follows
		defer c.load.done()
	}
	entries, _, err := c.h.retained(ctx, c.id, &key, &c.load)
	if err != nil {
		return err
	}
	return c.send(c.mode.init(key, entries))
}

// send queues a message. write flushes the queued messages together.
func (c *conn) send(text []byte) error {
	kind := websocket.MessageText
	if c.mode == modeCBOR {
		kind = websocket.MessageBinary
	}
	c.h.o.Traffic.Wrote(len(text))
	return c.ws.add(kind, text)
}
