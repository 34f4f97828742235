package driftdb

import (
	"context"
	"errors"
	"time"

	"sluice/store/eventlog"
)

// queueRetry is the time between attempts to store a push of a WebSocket while the log's queue is full.
const queueRetry = 50 * time.Millisecond

// store publishes a push of a WebSocket when the room's rates allow it. While the log's queue is full, it tries again, for
// up to WRITE_TIMEOUT.
func (c *conn) store(ctx context.Context, m *message) (at uint64, size int, err error) {
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
