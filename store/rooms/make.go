package rooms

import (
	"context"
	"errors"
	"time"

	"sluice/store/eventlog"
)

// Make makes a room, unless it exists or its maker may make no more. The error is a *Refusal or the log's.
func (r *Rooms) Make(ctx context.Context, maker Maker, id string) error {
	if err := r.makers.admit(maker, time.Now()); err != nil {
		return err
	}
	if err := r.made.enter(r.evict); err != nil {
		r.makers.refuse(maker)
		return err
	}
	defer r.made.mu.RUnlock()
	err := r.o.Log.Create(ctx, Space(id))
	if err != nil {
		r.makers.refuse(maker)
		if !errors.Is(err, eventlog.ErrUnknown) {
			r.made.n.Add(-1)
		}
		if errors.Is(err, eventlog.ErrRow) {
			return nil // it exists: somebody else has made it
		}
		return err
	}
	if r.lock(ctx, id) == nil { // if a drop has just made way for the room, it ends first
		defer r.mu.Unlock()
	}
	r.makers.add(maker, id)
	return nil
}
