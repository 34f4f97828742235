package rooms

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/store/eventlog"
)

// census is the number of rooms: those of the last survey, and those made since. If the outcome of making a room is
// unknown, the room counts until the next survey, at most a minute.
type census struct {
	max int64
	n   atomic.Int64
	mu  sync.RWMutex // read-locked while a room is made, so that none is half made during a survey

	evicting sync.Mutex
	evicted  time.Time // when evict last ran
}

// enter counts one more room. It refuses if there are as many as allowed and evict cannot drop any. On success mu is
// read-locked; the caller unlocks it when the room is made.
func (c *census) enter(evict func() bool) error {
	for {
		c.mu.RLock()
		if c.n.Add(1) <= c.max {
			return nil
		}
		c.n.Add(-1)
		c.mu.RUnlock()
		if !evict() {
			return refuse(TooMany, time.Minute, "the gateway has as many rooms as MAX_ROOMS allows; try again when some have been silent for ROOM_RETENTION, or raise MAX_ROOMS")
		}
	}
}

// Count is the number of rooms.
func (r *Rooms) Count() int { return int(r.made.n.Load()) }

// survey counts the rooms. It returns those whose last message is before a position, and those without any push that
// are older than another position.
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

// What evict may drop: rooms without any push, with nobody inside, whose maker has had time to enter.
const (
	evictAge   = 10 * time.Second
	evictBatch = dropBatch
	evictRest  = time.Second // between two evictions, since each reads all rooms
)

// evict drops the oldest rooms without any push and with nobody inside. It reports whether one more room may be made.
func (r *Rooms) evict() bool {
	r.made.evicting.Lock()
	defer r.made.evicting.Unlock()
	if r.made.n.Load() < r.made.max {
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
		for some := range slices.Chunk(unused, evictBatch) {
			var n int
			if n, err = r.drop(some, 0, evictAge); err != nil || n > 0 {
				break
			}
		}
	}
	if err != nil {
		r.o.Logger.Error("dropping unused rooms", "cause", err)
	}
	return r.made.n.Load() < r.made.max
}

// dropOld drops empty rooms that were silent for ROOM_RETENTION, or for ROOM_UNUSED if nothing was ever pushed.
func (r *Rooms) dropOld() error {
	r.made.evicting.Lock()
	defer r.made.evicting.Unlock()
	clock := r.o.Log.Clock()
	before, unused := clock.Before(r.o.Retention), r.o.Unused
	old, err := r.survey(before, clock.Before(unused))
	if err != nil {
		return fmt.Errorf("looking for old rooms: %w", err)
	}
	for some := range slices.Chunk(old, dropBatch) {
		if _, err := r.drop(some, before, unused); err != nil {
			return fmt.Errorf("dropping rooms: %w", err)
		}
	}
	return nil
}
