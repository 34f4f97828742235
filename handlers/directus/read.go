package directus

import (
	"context"

	"sluice/handlers/wsread"
)

// firstMessage bounds the messages of a client that has not authenticated.
const firstMessage = 8 << 10

// incoming is a message. Its flag means that the next message is read only after this one was handled.
type incoming struct {
	wsread.Message
	waits bool
}

// read passes on the client's messages until it is gone.
func (c *conn) read(ctx context.Context, cut func(), messages chan<- incoming) {
	reader := wsread.New(c.ws, c.account, c.h.o.ReadTimeout, cut, c.lease.Contain)
	defer reader.Close()
	for {
		limit := c.h.o.MaxBody
		known := c.authenticated.Load()
		if !known {
			limit = min(limit, firstMessage)
		}
		m, err := reader.Next(ctx, limit)
		if err != nil {
			return
		}
		c.received.Store(true)
		select {
		case messages <- incoming{m, !known}:
		case <-ctx.Done():
			m.Release()
			return
		}
		if known {
			continue
		}
		select { // the next message may be longer, if this one has authenticated
		case <-c.handled:
		case <-ctx.Done():
			return
		}
	}
}

// deal handles a message and releases its memory.
func (c *conn) deal(ctx context.Context, m *incoming) error {
	defer m.Release()
	if m.waits {
		defer func() { c.handled <- struct{}{} }() // never blocks: the channel has room for the value that read waits for
	}
	if m.Refused != nil {
		return c.fail(typeServer, m.Refused, "")
	}
	return c.take(ctx, m.Text)
}
