package rooms

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"sluice/store/eventlog"
)

// census knows which rooms exist. It follows their rows in the log, so it has also the rooms that other processes make
// and drop.
type census struct {
	max int

	mu     sync.Mutex
	rooms  map[string]bool // the rooms, by id: true if something was pushed
	making map[string]int  // how many requests are under way for a room that does not exist yet

	evicting sync.Mutex
	evicted  time.Time // when evict last ran
}

// follow takes a change of the log's rows. It returns the rooms that are gone.
func (c *census) follow(changes eventlog.Changes) (gone []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, prefix := range changes.Dropped {
		for id := range c.rooms {
			if strings.HasPrefix(rowKey(id), prefix) {
				delete(c.rooms, id)
				gone = append(gone, id)
			}
		}
	}
	for _, row := range changes.Rows {
		id := row.Key[len(rowKey("")):]
		if row.Value == nil {
			delete(c.rooms, id)
			gone = append(gone, id)
			continue
		}
		s, _ := eventlog.KeyedSpaceOf(row)
		if pushed, there := c.rooms[id]; !there || pushed != (s.Seq > 0) {
			c.rooms[id] = s.Seq > 0
			delete(c.making, id)
		}
	}
	return gone
}

// find reports whether a room exists, and whether something was ever pushed to it.
func (c *census) find(id string) (pushed, there bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pushed, there = c.rooms[id]
	return pushed, there
}

func (c *census) full() bool { return len(c.rooms)+len(c.making) >= c.max }

// reserve counts a room that is about to be made. It returns false if there are as many as allowed.
func (c *census) reserve(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.rooms[id]; there {
		return true // nothing will be made
	}
	if c.making[id] == 0 && c.full() {
		return false
	}
	c.making[id]++
	return true
}

// release ends a reservation. If the room was made, it has ended already.
func (c *census) release(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.making[id]--; c.making[id] <= 0 {
		delete(c.making, id)
	}
}

// hasRoom reports whether one more room may be made.
func (c *census) hasRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.full()
}

// Count is the number of rooms.
func (r *Rooms) Count() int {
	r.made.mu.Lock()
	defer r.made.mu.Unlock()
	return len(r.made.rooms)
}

// What evict may drop: rooms without any push, with nobody inside, whose maker has had time to enter.
const (
	evictAge   = 10 * time.Second
	evictBatch = 100
	evictRest  = time.Second // between two evictions, since each reads all rooms
)

// evict drops the oldest rooms without any push and with nobody inside. It reports whether one more room may be made.
func (r *Rooms) evict(ctx context.Context) bool {
	r.made.evicting.Lock() // only those who need the outcome wait
	defer r.made.evicting.Unlock()
	now := time.Now()
	if r.made.hasRoom() || now.Sub(r.made.evicted) < evictRest {
		return r.made.hasRoom()
	}
	r.made.evicted = now
	unused, err := r.list(0, r.o.Log.Clock().Before(evictAge))
	slices.SortFunc(unused, func(a, b eventlog.KeyedSpace) int { return cmp.Compare(a.Last, b.Last) })
	dropped := 0
	for some := range slices.Chunk(unused, dropBatch) {
		if err != nil || dropped >= evictBatch {
			break
		}
		var n int
		n, err = r.drop(ctx, some, 0, evictAge)
		dropped += n
	}
	if err != nil {
		r.o.Logger.Error("dropping unused rooms", "cause", err)
	}
	return r.made.hasRoom()
}
