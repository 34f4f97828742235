package rooms

import (
	"context"
	"errors"
	"time"

	"sluice/store/eventlog"
)

// Make makes a room, unless it exists or its maker may make no more. The error is a *Refusal or the log's. If the outcome
// is unknown, the room counts for its maker as soon as it is made.
func (r *Rooms) Make(ctx context.Context, maker Maker, id string) error {
	share, err := r.makers.admit(maker, time.Now())
	if err != nil {
		return err
	}
	defer r.makers.release(share)
	room := r.made.begin(id)
	defer r.made.end(id, room)
	if _, there, err := r.o.Log.KeyedSpace(Space(id)); err != nil || there {
		return err // nil: somebody else has made it
	}
	for !r.made.reserve(room) {
		if !r.evict(ctx) {
			return refuse(TooMany, time.Minute, "the gateway has as many rooms as MAX_ROOMS allows; try again when some have been silent for ROOM_RETENTION, or raise MAX_ROOMS")
		}
	}
	_, err = r.o.Log.Append(ctx, &eventlog.Request{Make: Space(id), Stored: func() { r.makers.add(share, id) }})
	if errors.Is(err, eventlog.ErrRow) {
		return nil // it exists: somebody else has made it
	}
	return err
}
