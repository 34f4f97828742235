package driftdb

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"sluice/handlers/httperr"
	"sluice/store/eventlog"
	"sluice/store/pause"
	"sluice/store/share"
)

// A client that sends faster than the settings allow loses nothing: the gateway reads its WebSocket no faster, so that
// what it sends waits in the network and then at the client. A request over HTTP is refused instead, with Retry-After.

// pace is how fast messages are read from one WebSocket.
type pace struct {
	limiter *rate.Limiter
	most    time.Duration // more delay than this ends the connection
	delayed time.Duration // in sum, since the client last left half of its rate unused
}

// errFlood is the error of a pace whose client goes on sending too fast.
var errFlood = errors.New("messages come faster than ROOM_CONNECTION_RATE for longer than ROOM_FLOOD_TIMEOUT")

// wait waits until one more message may be read.
func (p *pace) wait(ctx context.Context) error {
	d := until(p.limiter, time.Now())
	if d == 0 {
		return nil
	}
	if p.delayed += d; p.delayed > p.most {
		return errFlood
	}
	return sleep(ctx, d)
}

// took notes that a message was read.
func (p *pace) took() {
	now := time.Now()
	if p.limiter.TokensAt(now) >= float64(p.limiter.Burst())/2 {
		p.delayed = 0
	}
	p.limiter.AllowN(now, 1)
}

// sleep waits for a while, or until the context ends.
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

// budget is how fast a room takes pushes. Relays have one of their own, so that cursors take nothing from what is
// stored.
type budget struct{ stored, relays *rate.Limiter }

func newBudget(perSecond int) budget {
	return budget{rate.NewLimiter(rate.Limit(perSecond), perSecond), rate.NewLimiter(rate.Limit(perSecond), perSecond)}
}

func (b budget) of(op eventlog.Op) *rate.Limiter {
	if op == eventlog.Relay {
		return b.relays
	}
	return b.stored
}

// turn waits until the room takes one more push. A WebSocket waits with one push at a time, and they are served in the
// order they came in, so each gets the same share: who has one push to send waits for one of each of the others at most.
func (h *Handler) turn(ctx context.Context, id string, op eventlog.Op) error {
	h.mu.Lock()
	r := h.rooms[id]
	r.used = true
	r.users.note(share.Owner(ctx), time.Now())
	reserved := r.budget.of(op).Reserve()
	h.mu.Unlock()
	return wait(ctx, reserved)
}

func wait(ctx context.Context, reserved *rate.Reservation) error {
	d := reserved.Delay()
	if d == 0 {
		return nil
	}
	if err := sleep(ctx, d); err != nil {
		reserved.Cancel()
		return err
	}
	return nil
}

// users tells whether a room has pushes of more than one owner: addresses, as a room asks for no credential.
type users struct {
	last    string              // whose push was the last one; "": there was none
	changed time.Time           // when one was another's than the one before
	waiting map[string]struct{} // those with a request that waits for its turn; nil: none
}

// together is how long after another's push an owner is not alone.
const together = time.Second

func (u *users) note(owner string, now time.Time) {
	if u.last != owner && u.last != "" {
		u.changed = now
	}
	u.last = owner
}

// alone reports whether nobody but an owner has pushed lately.
func (u *users) alone(owner string, now time.Time) bool {
	return u.last == owner && now.Sub(u.changed) > together
}

// mostTurn is how long a request waits for its turn.
const mostTurn = time.Second

// allow lets the push of a request in, unless there were too many. WebSockets that wait come before it. Where others push
// too, an address may have one request wait for its turn as a WebSocket does: so one that sends too much leaves the others
// their share.
func (h *Handler) allow(ctx context.Context, id string, op eventlog.Op) error {
	reserved, err := h.admit(share.Owner(ctx), id, op)
	if err != nil || reserved == nil {
		return err
	}
	defer h.admitted(share.Owner(ctx), id)
	return wait(ctx, reserved)
}

// admit refuses a push, or lets it in: at once, where reserved is nil, or in its turn.
func (h *Handler) admit(owner, id string, op eventlog.Op) (reserved *rate.Reservation, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, now := h.rooms[id], time.Now()
	limiter := r.budget.of(op)
	if !limiter.AllowN(now, 1) {
		_, waits := r.users.waiting[owner]
		if waits || r.users.alone(owner, now) || until(limiter, now) > mostTurn {
			return nil, httperr.New(http.StatusTooManyRequests, httperr.RateLimited, "more than %d pushes a second in this room (ROOM_RATE); slow down: this one was not taken", h.o.Limits.Rate).After(until(limiter, now))
		}
		if r.users.waiting == nil {
			r.users.waiting = map[string]struct{}{}
		}
		r.users.waiting[owner] = struct{}{}
		reserved = limiter.ReserveN(now, 1)
	}
	r.used = true
	r.users.note(owner, now)
	return reserved, nil
}

// admitted ends the wait of a request, which is still counted into the room.
func (h *Handler) admitted(owner, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rooms[id].users.waiting, owner)
}

// queueRetry is how long a WebSocket waits before it tries again to store a push, where too much waits to be stored.
const queueRetry = 50 * time.Millisecond

// store publishes a push of a WebSocket in its turn. While the log has too much to store it waits, as for its turn.
func (c *conn) store(ctx context.Context, m *message) (at uint64, size int, err error) {
	c.waits.Store(true)
	defer c.waits.Store(false)
	if err := c.h.turn(ctx, c.id, m.op); err != nil {
		return 0, 0, err
	}
	for deadline := time.Now().Add(c.h.o.WriteTimeout); ; {
		at, size, err = c.h.publish(ctx, c.id, m)
		if !errors.Is(err, eventlog.ErrQueueFull) || time.Now().After(deadline) {
			return at, size, err
		}
		if err := sleep(ctx, queueRetry); err != nil {
			return 0, 0, err
		}
	}
}

// ping pings the client. It fails where no pong has come within WRITE_TIMEOUT and nothing else either: the pong comes
// behind all that the client has sent before, which is read no faster than the rates allow.
func (c *conn) ping(ctx context.Context) error {
	for {
		heard := c.heard.Load()
		begun := time.Now()
		pong, cancel := context.WithTimeout(ctx, c.h.o.WriteTimeout)
		err := c.ws.Ping(pong)
		cancel()
		silent := c.heard.Load() == heard && !c.waits.Load() && !pause.Since(begun)
		if !errors.Is(err, context.DeadlineExceeded) || silent {
			return err
		}
	}
}
