package rooms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/store/eventlog"
)

// A drop decides twice. In memory it leaves out rooms with somebody inside, and marks the others: whoever comes to a
// marked room waits until the drop has ended. In the log it has a condition for each room: its row is as it was read. So
// no lock is needed while the log commits, and a push that is on its way, even one whose sender has given up or that
// another process sends, is before the drop and prevents it, or after it and is refused.

// dropBatch is the most rooms that one commit drops. One that has changed keeps the others.
const dropBatch = 25

// dropWait is how long somebody who comes to a room waits for the end of a drop. The log waits as long for its disk.
const dropWait = 10 * time.Second

// drop deletes those of some rooms that are still old; they may have been used since they were listed. If the log does not
// answer in time, the error is eventlog.ErrUnknown, and the rooms stay marked until settleDoubts.
func (r *Rooms) drop(ctx context.Context, rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (int, error) {
	for {
		old, err := r.markOld(ctx, rooms, before, unused)
		if err != nil || len(old) == 0 {
			return 0, err
		}
		err = r.o.Log.Drop(ctx, old...)
		switch {
		case err == nil:
			return len(old), nil // follow has unmarked them
		case errors.Is(err, eventlog.ErrUnknown):
			r.doubt(old)
			return 0, err
		}
		r.unmark(old)
		if !errors.Is(err, eventlog.ErrRow) {
			return 0, err
		}
		rooms = old // one of them has changed, and is not old any more
	}
}

// markOld returns those of some rooms that are old, as they are now, and marks them.
func (r *Rooms) markOld(ctx context.Context, rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (old []eventlog.KeyedSpace, err error) {
	for _, s := range r.mark(rooms, before, unused) { // first, so that nobody comes while they are read
		now, is, readErr := r.expired(ctx, s.Space, before, unused)
		if err = errors.Join(err, readErr); is && err == nil {
			old = append(old, now)
		} else {
			r.unmark([]eventlog.KeyedSpace{s})
		}
	}
	if err != nil {
		r.unmark(old)
		return nil, err
	}
	return old, nil
}

// mark marks those of some rooms that nobody is in and that are not marked, and returns them. If a room is not old by its
// last message, it must also have been empty for a while.
func (r *Rooms) mark(rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (marked []eventlog.KeyedSpace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range rooms {
		id := idOf(s.Space)
		known := r.rooms[id]
		if r.dropping[id] != nil || known != nil && (known.inside > 0 || s.Last >= before && time.Since(known.left) < unused) {
			continue
		}
		r.dropping[id] = make(chan struct{})
		marked = append(marked, s)
	}
	return marked
}

// unmark lets those who have come to some rooms go on.
func (r *Rooms) unmark(rooms []eventlog.KeyedSpace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range rooms {
		r.endDrop(idOf(s.Space))
	}
}

// endDrop is unmark for callers that hold mu.
func (r *Rooms) endDrop(id string) {
	if ended := r.dropping[id]; ended != nil {
		close(ended)
		delete(r.dropping, id)
	}
}

// doubt notes rooms of which the log has not said whether they are dropped.
func (r *Rooms) doubt(rooms []eventlog.KeyedSpace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubts = append(r.doubts, rooms...)
}

// settleDoubts unmarks the rooms whose drops were refused after the log had not answered in time. Those that were dropped
// are unmarked already.
func (r *Rooms) settleDoubts(ctx context.Context) error {
	r.mu.Lock()
	doubts := r.doubts
	r.doubts = nil
	r.mu.Unlock()
	if len(doubts) == 0 {
		return nil
	}
	if _, err := r.o.Log.Append(ctx, &eventlog.Request{}); err != nil { // it waits for all requests before
		r.doubt(doubts)
		return err
	}
	r.unmark(doubts)
	return nil
}

// lock locks mu at a moment when a room is not being dropped. On an error mu is not locked.
func (r *Rooms) lock(ctx context.Context, id string) error {
	var late <-chan time.Time
	for {
		r.mu.Lock()
		ended := r.dropping[id]
		if ended == nil {
			return nil
		}
		r.mu.Unlock()
		if late == nil {
			late = time.After(dropWait)
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("%w: %w: the room is being dropped", eventlog.ErrUnavailable, eventlog.ErrNoAnswer)
		}
	}
}

// expired reads a room and reports whether it is old. Its age counts from its last message or, if there was none, from
// when somebody was last in it.
func (r *Rooms) expired(ctx context.Context, space string, before uint64, unused time.Duration) (s eventlog.KeyedSpace, old bool, err error) {
	s, there, err := r.o.Log.KeyedSpace(space)
	if err != nil || !there || s.Last < before {
		return s, there, err
	}
	if s.Seq > 0 || s.Last >= r.o.Log.Clock().Before(unused) || time.Since(r.started) < unused {
		return s, false, nil // after a restart its clients may be about to return
	}
	old, err = r.empty(ctx, space)
	return s, old, err
}

// errNotEmpty means that a room retains something.
var errNotEmpty = errors.New("the room retains something")

// empty reports whether a room retains nothing. Seq alone does not say that: a compact before the first message has no
// number.
func (r *Rooms) empty(ctx context.Context, space string) (bool, error) {
	_, err := r.o.Log.Keyed(ctx, space, nil, func(eventlog.Event) error { return errNotEmpty })
	if errors.Is(err, errNotEmpty) {
		return false, nil
	}
	return err == nil, err
}
