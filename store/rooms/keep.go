package rooms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sluice/store/eventlog"
)

// keep drops old rooms and forgets empty ones, until Close.
func (r *Rooms) keep() {
	tick := time.NewTicker(emptyRoomLife)
	defer tick.Stop()
	// Often enough that a room is renewed before it is old: between a half and the whole of its time.
	old := time.NewTicker(max(100*time.Millisecond, min(time.Minute, r.o.Retention/10, r.o.Unused/10)))
	defer old.Stop()
	for {
		select {
		case <-r.life.Done():
			return
		case now := <-tick.C:
			r.forgetEmpty(now)
		case <-old.C:
			if err := r.look(r.life); err != nil && r.life.Err() == nil {
				r.o.Logger.Error("renewing and dropping rooms", "cause", err)
			}
		}
	}
}

// look renews silent rooms that have connections, and drops the other ones once they are old: after ROOM_RETENTION, or after
// ROOM_UNUSED if nothing was ever pushed.
func (r *Rooms) look(ctx context.Context) error {
	clock := r.o.Log.Clock()
	silent, err := r.list(clock.Before(r.o.Retention/2), clock.Before(r.o.Unused/2))
	if err != nil {
		return err
	}
	renewed := r.renew(ctx, silent) // an error does not keep the others: to drop rooms may make room on a full disk
	before, unusedBefore := clock.Before(r.o.Retention), clock.Before(r.o.Unused)
	old := slices.DeleteFunc(silent, func(s eventlog.KeyedSpace) bool { return !isOld(s, before, unusedBefore) })
	return errors.Join(renewed, r.dropOld(ctx, old, before))
}

// renew touches those of some rooms that have connections. A process sees only its own clients: without the touch, another
// process that serves the same rooms would drop a room whose clients are here and only listen.
func (r *Rooms) renew(ctx context.Context, rooms []eventlog.KeyedSpace) error {
	for _, s := range r.inhabited(rooms) {
		if err := r.o.Log.Touch(ctx, s); err != nil && !errors.Is(err, eventlog.ErrRow) { // ErrRow: something came, or another process was first
			return fmt.Errorf("renewing a room: %w", err)
		}
	}
	return nil
}

// inhabited returns those of some rooms that have connections. A request ends soon, and does not make a room live longer.
func (r *Rooms) inhabited(rooms []eventlog.KeyedSpace) (list []eventlog.KeyedSpace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range rooms {
		if known := r.rooms[idOf(s.Space)]; known != nil && known.open > 0 {
			list = append(list, s)
		}
	}
	return list
}

// dropOld drops rooms.
func (r *Rooms) dropOld(ctx context.Context, old []eventlog.KeyedSpace, before uint64) error {
	if err := r.settleDoubts(ctx); err != nil {
		return fmt.Errorf("waiting for earlier drops of rooms: %w", err)
	}
	for some := range slices.Chunk(old, dropBatch) {
		if _, err := r.drop(ctx, some, before, r.o.Unused); err != nil {
			return fmt.Errorf("dropping rooms: %w", err)
		}
	}
	return nil
}

// list returns the rooms that are old: see isOld.
func (r *Rooms) list(before, unusedBefore uint64) (old []eventlog.KeyedSpace, err error) {
	err = r.o.Log.KeyedSpaces(func(s eventlog.KeyedSpace) error {
		if isOld(s, before, unusedBefore) {
			old = append(old, s)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for old rooms: %w", err)
	}
	return old, nil
}

// isOld reports whether the last message of a room is before an id, or there was none and the room is older than another
// id.
func isOld(s eventlog.KeyedSpace, before, unusedBefore uint64) bool {
	return s.Last < before || s.Seq == 0 && s.Last < unusedBefore
}
