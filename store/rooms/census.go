package rooms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/store/eventlog"
)

// census is how many rooms there are: those of the last survey, and those made since. So one whose making had an
// unknown outcome counts until the next, at most a minute.
type census struct {
	most int64
	n    atomic.Int64
	mu   sync.RWMutex // held for reading while a room is made: none is half made while they are counted

	evicting sync.Mutex
	evicted  time.Time // when room was last made for others
}

// enter counts one in, unless there are as many as may be, and evict makes no room. While the caller makes the room it
// holds mu for reading.
func (c *census) enter(evict func() bool) error {
	for {
		c.mu.RLock()
		if c.n.Add(1) <= c.most {
			return nil
		}
		c.n.Add(-1)
		c.mu.RUnlock()
		if !evict() {
			return refuse(TooMany, time.Minute, "the gateway has as many rooms as MAX_ROOMS allows; try again when some have been silent for ROOM_RETENTION, or raise it")
		}
	}
}

// Count is how many rooms there are.
func (r *Rooms) Count() int { return int(r.made.n.Load()) }

// survey counts the rooms, and lists those whose last message is older than a position, and those that nothing was ever
// pushed to and that are older than another.
func (r *Rooms) survey(before, unusedBefore uint64) (old []eventlog.KeyedSpace, err error) {
	r.made.mu.Lock()
	defer r.made.mu.Unlock()
	n := int64(0)
	err = r.o.Log.KeyedSpaces(func(s eventlog.KeyedSpace) error {
		n++
		if s.Last < before || s.Seq == 0 && s.Last < unusedBefore {
			old = append(old, s)
		}
		return nil
	})
	if err == nil {
		r.made.n.Store(n)
	}
	return old, err
}

// What evict takes away: rooms that nothing was pushed to, and nobody is in, and that their maker has had time to
// enter.
const (
	evictAge  = 10 * time.Second
	evictMost = dropsMost
	evictRest = time.Second // between two evictions, which look at all rooms
)

// evict drops the oldest rooms that nothing was ever pushed to and nobody is in, as there are as many rooms as may be,
// and reports whether there is room now.
func (r *Rooms) evict() bool {
	r.made.evicting.Lock()
	defer r.made.evicting.Unlock()
	if r.made.n.Load() < r.made.most {
		return true
	}
	now := time.Now()
	if now.Sub(r.made.evicted) < evictRest {
		return false
	}
	r.made.evicted = now
	unused, err := r.survey(0, r.o.Log.Clock().Before(evictAge))
	if err == nil {
		slices.SortFunc(unused, func(a, b eventlog.KeyedSpace) int { return cmp.Compare(a.Last, b.Last) })
		for some := range slices.Chunk(unused, evictMost) {
			var n int
			if n, err = r.drop(some, 0, evictAge); err != nil || n > 0 {
				break
			}
		}
	}
	if err != nil {
		r.o.Logger.Error("dropping unused rooms", "cause", err)
	}
	return r.made.n.Load() < r.made.most
}

// dropOld drops the rooms in which nobody is and nothing was said for ROOM_RETENTION, or nothing ever for ROOM_UNUSED.
func (r *Rooms) dropOld() error {
	r.made.evicting.Lock()
	defer r.made.evicting.Unlock()
	clock := r.o.Log.Clock()
	before, unused := clock.Before(r.o.Retention), r.o.Unused
	old, err := r.survey(before, clock.Before(unused))
	if err != nil {
		return fmt.Errorf("looking for old rooms: %w", err)
	}
	for some := range slices.Chunk(old, dropsMost) {
		if _, err := r.drop(some, before, unused); err != nil {
			return fmt.Errorf("dropping rooms: %w", err)
		}
	}
	return nil
}

// dropsMost bounds the rooms dropped in one commit.
const dropsMost = 100

// drop deletes those of some rooms that are still old, with the door shut: who comes now finds none. They may have been
// in use since they were listed.
func (r *Rooms) drop(rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids, spaces []string
	for _, s := range rooms {
		id := s.Space[len(Space("")):]
		goes, err := r.goes(id, before, unused)
		if err != nil {
			return 0, err
		}
		if goes {
			ids, spaces = append(ids, id), append(spaces, s.Space)
		}
	}
	if len(spaces) == 0 {
		return 0, nil
	}
	if err := r.o.Log.Drop(context.Background(), spaces...); err != nil {
		return 0, err
	}
	for _, id := range ids {
		delete(r.rooms, id)
		r.makers.ended(id)
	}
	r.made.n.Add(-int64(len(ids)))
	return len(ids), nil
}

// goes reports whether nobody is in a room, and it is old: its last message or, where there never was one, the moment
// that somebody was last in it.
func (r *Rooms) goes(id string, before uint64, unused time.Duration) (bool, error) {
	known := r.rooms[id]
	if known != nil && known.inside > 0 {
		return false, nil
	}
	s, there, err := r.o.Log.KeyedSpace(Space(id))
	if err != nil || !there || s.Last < before {
		return there, err
	}
	if s.Seq > 0 || s.Last >= r.o.Log.Clock().Before(unused) || known != nil && time.Since(known.left) < unused || time.Since(r.started) < unused {
		return false, nil // or its clients may be on their way back after a restart
	}
	return r.empty(id)
}

// errSome is that a room retains something.
var errSome = errors.New("the room retains something")

// empty reports whether a room retains nothing: a compact before the first message has no number.
func (r *Rooms) empty(id string) (bool, error) {
	_, err := r.o.Log.Keyed(context.Background(), Space(id), nil, func(eventlog.Event) error { return errSome })
	if errors.Is(err, errSome) {
		return false, nil
	}
	return err == nil, err
}
