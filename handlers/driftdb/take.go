package driftdb

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"

	"sluice/handlers/httperr"
	"sluice/handlers/wsframe"
	"sluice/store/rooms"
)

// This file handles the messages of a connection, one after the other, in goroutines that may wait.

// Take handles a message at the client's pace. The next one is not read before.
func (c *conn) Take(ctx context.Context, m *wsframe.Message) error {
	if c.pace == nil {
		pace := rooms.NewPace(c.h.o.Limits)
		c.pace = &pace
	}
	if err := c.pace.Wait(ctx); err != nil {
		return err
	}
	c.pace.Count()
	c.answer = c.deal(c.charged(ctx), m)
	return nil
}

// Taken gives Serve the answer.
func (c *conn) Taken() { c.command, c.answer = c.answer, command{} }

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

// refuse makes the answer to a refused message.
func (c *conn) refuse(err error) command { return c.say(c.refusal(err)) }

// refusal makes the text of the answer. It counts the refusal and logs its cause.
func (c *conn) refusal(err error) []byte {
	e := httperr.From(err)
	c.h.o.Traffic.Refused(doorName, e.Code)
	httperr.LogMessage(c.h.o.Logger, connectPath, c.lease.RequestID, e)
	return c.mode.failure(e.Message)
}

// say makes the command to send a message.
func (c *conn) say(text []byte) command { return command{frame: c.mode.frame(nil, text)} }

// deal decodes a message and handles it.
func (c *conn) deal(ctx context.Context, frame *wsframe.Message) command {
	if frame.Long {
		return c.refuse(httperr.New(http.StatusRequestEntityTooLarge, httperr.BodyTooLarge, "a message may have %d bytes (MAX_BODY): this one was ignored", c.h.o.MaxBody))
	}
	if frame.Refused != nil {
		return c.refuse(frame.Refused)
	}
	m, err := c.h.decode(ctx, frame.Kind, frame.Text)
	if err != nil {
		return c.refuse(undecodable(err))
	}
	switch m.kind {
	case kindPing:
		return c.say(c.mode.pong(m))
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
		one := c.say(c.mode.size(m.key, size))
		one.after = at
		return one
	}
	return command{}
}
