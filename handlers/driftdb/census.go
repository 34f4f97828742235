package driftdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/handlers/httperr"
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
			return httperr.New(http.StatusServiceUnavailable, httperr.TooManyRooms,
				"the gateway has as many rooms as MAX_ROOMS allows; try again when some have been silent for ROOM_RETENTION, or raise it").After(time.Minute)
		}
	}
}

// Rooms is how many rooms there are.
func (h *Handler) Rooms() int { return int(h.made.n.Load()) }

// survey counts the rooms, and lists those whose last message is older than a position, and those that nothing was ever
// pushed to and that are older than another.
func (h *Handler) survey(before, unusedBefore uint64) (old []eventlog.KeyedSpace, err error) {
	h.made.mu.Lock()
	defer h.made.mu.Unlock()
	n := int64(0)
	err = h.o.Broker.Log().KeyedSpaces(func(s eventlog.KeyedSpace) error {
		n++
		if s.Last < before || s.Seq == 0 && s.Last < unusedBefore {
			old = append(old, s)
		}
		return nil
	})
	if err == nil {
		h.made.n.Store(n)
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
func (h *Handler) evict() bool {
	h.made.evicting.Lock()
	defer h.made.evicting.Unlock()
	if h.made.n.Load() < h.made.most {
		return true
	}
	now := time.Now()
	if now.Sub(h.made.evicted) < evictRest {
		return false
	}
	h.made.evicted = now
	unused, err := h.survey(0, h.o.Broker.Log().Clock().Before(evictAge))
	if err == nil {
		slices.SortFunc(unused, func(a, b eventlog.KeyedSpace) int { return cmp.Compare(a.Last, b.Last) })
		for some := range slices.Chunk(unused, evictMost) {
			var n int
			if n, err = h.drop(some, 0, evictAge); err != nil || n > 0 {
				break
			}
		}
	}
	if err != nil {
		h.o.Logger.Error("dropping unused rooms", "cause", err)
	}
	return h.made.n.Load() < h.made.most
}

// dropOld drops the rooms in which nobody is and nothing was said for ROOM_RETENTION, or nothing ever for ROOM_UNUSED.
func (h *Handler) dropOld() error {
	h.made.evicting.Lock()
	defer h.made.evicting.Unlock()
	clock := h.o.Broker.Log().Clock()
	before, unused := clock.Before(h.o.Retention), h.o.Unused
	old, err := h.survey(before, clock.Before(unused))
	if err != nil {
		return fmt.Errorf("looking for old rooms: %w", err)
	}
	for some := range slices.Chunk(old, dropsMost) {
		if _, err := h.drop(some, before, unused); err != nil {
			return fmt.Errorf("dropping rooms: %w", err)
		}
	}
	return nil
}

// dropsMost bounds the rooms dropped in one commit.
const dropsMost = 100

// drop deletes those of some rooms that are still old, with the door shut: who comes now finds none. They may have been
// in use since they were listed.
func (h *Handler) drop(rooms []eventlog.KeyedSpace, before uint64, unused time.Duration) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids, spaces []string
	for _, s := range rooms {
		id := s.Space[len(space("")):]
		goes, err := h.goes(id, before, unused)
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
	if err := h.o.Broker.Log().Drop(context.Background(), spaces...); err != nil {
		return 0, err
	}
	for _, id := range ids {
		delete(h.rooms, id)
		h.makers.ended(id)
	}
	h.made.n.Add(-int64(len(ids)))
	return len(ids), nil
}

// goes reports whether nobody is in a room, and it is old: its last message or, where there never was one, the moment
// that somebody was last in it.
func (h *Handler) goes(id string, before uint64, unused time.Duration) (bool, error) {
	r := h.rooms[id]
	if r != nil && r.inside > 0 {
		return false, nil
	}
	s, there, err := h.o.Broker.Log().KeyedSpace(space(id))
	if err != nil || !there || s.Last < before {
		return there, err
	}
	if s.Seq > 0 || s.Last >= h.o.Broker.Log().Clock().Before(unused) || r != nil && time.Since(r.left) < unused || time.Since(h.started) < unused {
		return false, nil // or its clients may be on their way back after a restart
	}
	return h.empty(id)
}

// errSome is that a room retains something.
var errSome = errors.New("the room retains something")

// empty reports whether a room retains nothing: a compact before the first message has no number.
func (h *Handler) empty(id string) (bool, error) {
	_, err := h.o.Broker.Log().Keyed(context.Background(), space(id), nil, func(eventlog.Event) error { return errSome })
	if errors.Is(err, errSome) {
		return false, nil
	}
	return err == nil, err
}
