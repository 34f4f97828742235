package rooms

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// budget is how fast a room accepts pushes. Relays have a rate of their own, so that cursors take nothing from stored
// pushes.
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

// Turn waits until the room accepts one more push. A WebSocket waits with one push at a time, and they are served in
// order of arrival. So each gets the same share: a push waits for at most one of each other WebSocket.
func (r *Rooms) Turn(ctx context.Context, id string, op eventlog.Op) error {
	r.mu.Lock()
	entered := r.rooms[id]
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

// users knows whether a room has pushes of more than one owner. An owner is an address, as a room asks for no
// credential.
type users struct {
	last    string              // owner of the last push; "" before the first
	changed time.Time           // when the owner of a push last differed from the one before
	waiting map[string]struct{} // owners with a request that waits for its turn
}

// sharedFor is how long an owner is not alone after another owner's push.
const sharedFor = time.Second

func (u *users) note(owner string, now time.Time) {
	if u.last != owner && u.last != "" {
		u.changed = now
	}
	u.last = owner
}

// singleOwner reports whether only this owner has pushed lately.
func (u *users) singleOwner(owner string, now time.Time) bool {
	return u.last == owner && now.Sub(u.changed) > sharedFor
}

// maxTurn is how long a request waits for its turn.
const maxTurn = time.Second

// Allow lets the push of a request in. If there were too many pushes, the error is a *Refusal; else it is the
// context's. WebSockets that wait come first. If other owners push too, an address may have one request wait for its
// turn, as a WebSocket does. So an address that sends too much leaves the others their share.
func (r *Rooms) Allow(ctx context.Context, id string, op eventlog.Op) error {
	reserved, err := r.admit(share.Owner(ctx), id, op)
	if err != nil || reserved == nil {
		return err
	}
	defer r.admitted(share.Owner(ctx), id)
	return wait(ctx, reserved)
}

// admit refuses a push or lets it in: at once if reserved is nil, otherwise after reserved.
func (r *Rooms) admit(owner, id string, op eventlog.Op) (reserved *rate.Reservation, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entered, now := r.rooms[id], time.Now()
	limiter := entered.budget.of(op)
	if !limiter.AllowN(now, 1) {
		_, waits := entered.users.waiting[owner]
		if waits || entered.users.singleOwner(owner, now) || until(limiter, now) > maxTurn {
			return nil, refuse(TooFast, until(limiter, now), "more than %d pushes a second in this room (ROOM_RATE); slow down: this push was not accepted", r.o.Limits.Rate)
		}
		if entered.users.waiting == nil {
			entered.users.waiting = map[string]struct{}{}
		}
		entered.users.waiting[owner] = struct{}{}
		reserved = limiter.ReserveN(now, 1)
	}
	entered.users.note(owner, now)
	return reserved, nil
}

// admitted ends the wait of a request, which has not left the room yet.
func (r *Rooms) admitted(owner, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rooms[id].users.waiting, owner)
}
