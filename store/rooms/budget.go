package rooms

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"sluice/store/eventlog"
	"sluice/store/share"
)

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

// Turn waits until the room takes one more push. A WebSocket waits with one push at a time, and they are served in the
// order they came in, so each gets the same share: who has one push to send waits for one of each of the others at most.
func (r *Rooms) Turn(ctx context.Context, id string, op eventlog.Op) error {
	r.mu.Lock()
	entered := r.rooms[id]
	entered.used = true
	entered.users.note(share.Owner(ctx), time.Now())
	reserved := entered.budget.of(op).Reserve()
	r.mu.Unlock()
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

// Allow lets the push of a request in, unless there were too many: then the error is a *Refusal, else the context's.
// WebSockets that wait come before it. Where others push too, an address may have one request wait for its turn as a
// WebSocket does: so one that sends too much leaves the others their share.
func (r *Rooms) Allow(ctx context.Context, id string, op eventlog.Op) error {
	reserved, err := r.admit(share.Owner(ctx), id, op)
	if err != nil || reserved == nil {
		return err
	}
	defer r.admitted(share.Owner(ctx), id)
	return wait(ctx, reserved)
}

// admit refuses a push, or lets it in: at once, where reserved is nil, or in its turn.
func (r *Rooms) admit(owner, id string, op eventlog.Op) (reserved *rate.Reservation, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entered, now := r.rooms[id], time.Now()
	limiter := entered.budget.of(op)
	if !limiter.AllowN(now, 1) {
		_, waits := entered.users.waiting[owner]
		if waits || entered.users.alone(owner, now) || until(limiter, now) > mostTurn {
			return nil, refuse(TooFast, until(limiter, now), "more than %d pushes a second in this room (ROOM_RATE); slow down: this one was not taken", r.o.Limits.Rate)
		}
		if entered.users.waiting == nil {
			entered.users.waiting = map[string]struct{}{}
		}
		entered.users.waiting[owner] = struct{}{}
		reserved = limiter.ReserveN(now, 1)
	}
	entered.used = true
	entered.users.note(owner, now)
	return reserved, nil
}

// admitted ends the wait of a request, which is still counted into the room.
func (r *Rooms) admitted(owner, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rooms[id].users.waiting, owner)
}
