package rooms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/store/eventlog"
)

// A drop decides twice. In memory it leaves out rooms with somebody inside, and marks the others: whoever comes to a
// marked room waits until the drop has ended. In the log it has a condition for each room: no event came to it since it
// was read. So no lock is needed while the log commits, and a push that is on its way, even one whose sender has given
// up, is before the drop and prevents it.

// dropBatch is the most rooms that one commit drops.
const dropBatch = 100

// dropWait is how long somebody who comes to a room waits for the end of a drop. The log waits as long for its disk.
const dropWait = 10 * time.Second

// drop deletes those of some rooms that are still old; they may have been used since the survey. If the log does not
// answer in time, the error is eventlog.ErrUnknown, and the rooms stay marked until it has answered.
func (r *Rooms) drop(rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (int, error) {
	return eventlog.Change(context.Background(), r.o.Log, func(ctx context.Context) (int, error) {
		for {
			old, err := r.mark(rooms, before, unused)
			if err != nil || len(old) == 0 {
				return 0, err
			}
			err = r.o.Log.Drop(ctx, old...)
			r.unmark(old, err == nil)
			if err == nil {
				return len(old), nil
			}
			if !errors.Is(err, eventlog.ErrRow) {
				return 0, err
			}
			rooms = old // an event came to one of them, which is not old any more
		}
	})
}

// mark returns those of some rooms that are old, and marks them until unmark.
func (r *Rooms) mark(rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (old []eventlog.KeyedSpace, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range rooms {
		s, is, err := r.expired(s.Space[len(Space("")):], before, unused)
		if err != nil {
			return nil, err
		}
		if is {
			old = append(old, s)
		}
	}
	ended := make(chan struct{})
	for _, s := range old {
		r.dropping[s.Space[len(Space("")):]] = ended
	}
	return old, nil
}

// unmark ends a drop.
func (r *Rooms) unmark(rooms []eventlog.KeyedSpace, dropped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range rooms {
		id := s.Space[len(Space("")):]
		if i == 0 {
			close(r.dropping[id]) // they have one channel
		}
		delete(r.dropping, id)
		if dropped {
			delete(r.rooms, id)
			r.makers.ended(id)
		}
	}
	if dropped {
		r.made.n.Add(-int64(len(rooms)))
	}
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

// expired reads a room and reports whether nobody is in it and it is old. Its age counts from its last message or, if
// there was none, from when somebody was last in it.
func (r *Rooms) expired(id string, before uint64, unused time.Duration) (s eventlog.KeyedSpace, old bool, err error) {
	known := r.rooms[id]
	if known != nil && known.inside > 0 || r.dropping[id] != nil {
		return s, false, nil
	}
	s, there, err := r.o.Log.KeyedSpace(Space(id))
	if err != nil || !there || s.Last < before {
		return s, there, err
	}
	if s.Seq > 0 || s.Last >= r.o.Log.Clock().Before(unused) || known != nil && time.Since(known.left) < unused || time.Since(r.started) < unused {
		return s, false, nil // after a restart its clients may be about to return
	}
	old, err = r.empty(id)
	return s, old, err
}

// errNotEmpty means that a room retains something.
var errNotEmpty = errors.New("the room retains something")

// empty reports whether a room retains nothing. Seq alone does not say that: a compact before the first message has no
// number.
func (r *Rooms) empty(id string) (bool, error) {
	_, err := r.o.Log.Keyed(context.Background(), Space(id), nil, func(eventlog.Event) error { return errNotEmpty })
	if errors.Is(err, errNotEmpty) {
		return false, nil
	}
	return err == nil, err
}
