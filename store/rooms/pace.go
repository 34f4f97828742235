package rooms

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"
)

// Pace is how fast messages of one WebSocket are read. A client that sends faster than the settings allow loses
// nothing: its WebSocket is read more slowly, so its messages wait in the network and then at the client. A request
// over HTTP is refused instead: see Allow.
type Pace struct {
	limiter *rate.Limiter
	max     time.Duration // more delay than this ends the connection
	delayed time.Duration // total delay since the client last left half of its rate unused
}

// NewPace makes the pace of a new connection.
func NewPace(l Limits) Pace {
	return Pace{limiter: rate.NewLimiter(rate.Limit(l.ConnectionRate), l.ConnectionRate), max: l.Flood}
}

// ErrFlood is the error of a client that goes on sending too fast.
var ErrFlood = errors.New("messages come faster than ROOM_CONNECTION_RATE for longer than ROOM_FLOOD_TIMEOUT")

// Wait waits until one more message may be read.
func (p *Pace) Wait(ctx context.Context) error {
	d := until(p.limiter, time.Now())
	if d == 0 {
		return nil
	}
	if p.delayed += d; p.delayed > p.max {
		return ErrFlood
	}
	return sleep(ctx, d)
}

// Count counts a message that was read.
func (p *Pace) Count() {
	now := time.Now()
	if p.limiter.TokensAt(now) >= float64(p.limiter.Burst())/2 {
		p.delayed = 0
	}
	p.limiter.AllowN(now, 1)
}

// sleep waits for d, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
