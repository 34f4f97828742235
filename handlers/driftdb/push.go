package driftdb

import (
	"context"
	"errors"
	"time"

	"sluice/store/eventlog"
	"sluice/store/pause"
)

// queueRetry is the time between attempts to store a push of a WebSocket while the log's queue is full.
const queueRetry = 50 * time.Millisecond

// store publishes a push of a WebSocket when the room's rates allow it. While the log's queue is full, it tries again, for
// up to WRITE_TIMEOUT.
func (c *conn) store(ctx context.Context, m *message) (at uint64, size int, err error) {
	c.waits.Store(true)
	defer c.waits.Store(false)
	if err := c.h.rooms.Turn(ctx, c.id, m.op); err != nil {
		return 0, 0, err
	}
	for deadline := time.Now().Add(c.h.o.WriteTimeout); ; {
		at, size, err = c.h.publish(ctx, c.id, m)
		if !errors.Is(err, eventlog.ErrQueueFull) || time.Now().After(deadline) {
			return at, size, err
		}
		select {
		case <-time.After(queueRetry):
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}

// ping pings the client. It fails if neither a pong nor a message arrives within WRITE_TIMEOUT. A message counts, because the
// pong comes after all messages that the client sent before it, and the room's rates limit how fast the gateway reads those.
func (c *conn) ping(ctx context.Context) error {
	for {
		before := c.received.Load()
		begun := time.Now()
		pong, cancel := context.WithTimeout(ctx, c.h.o.WriteTimeout)
		err := c.ws.Ping(pong)
		cancel()
		silent := c.received.Load() == before && !c.waits.Load() && !pause.Since(begun)
		if !errors.Is(err, context.DeadlineExceeded) || silent {
			return err
		}
	}
}
