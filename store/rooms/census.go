package rooms

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"sluice/store/eventlog"
)

// census is the number of rooms. It follows their rows in the log, so it counts also what other processes make and drop.
// It does not know their ids: of 100,000 rooms that nobody is in, these would take 10 MB.
type census struct {
	max int

	mu       sync.Mutex
	count    int
	making   map[string]*making // the rooms that requests want to make, by id
	reserved int                // how many of making are reserved and not made

	evicting sync.Mutex
	evicted  time.Time // when evict last ran
}

// making is a room that requests want to make.
type making struct {
	requests int
	reserved bool // it counts before it is made
	made     bool // since the first of the requests began
}

// follow takes a change of the log's rows. No request drops rows of rooms by a prefix.
func (c *census) follow(changes eventlog.Changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count += changes.Made
	for _, row := range changes.Rows {
		there := row.Value != nil
		if !there {
			c.count--
		}
		if m := c.making[idOfRow(row)]; m != nil && m.made != there {
			m.made = there
			c.countReserved(m, !there)
		}
	}
}

// countReserved counts a room once more or once less, if it is reserved.
func (c *census) countReserved(m *making, more bool) {
	switch {
	case !m.reserved:
	case more:
		c.reserved++
	default:
		c.reserved--
	}
}

func (c *census) full() bool { return c.count+c.reserved >= c.max }

// begin notes that a request wants to make a room. From then on, follow notes if the room is made. The caller must call end.
func (c *census) begin(id string) *making {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.making[id]
	if m == nil {
		m = &making{}
		c.making[id] = m
	}
	m.requests++
	return m
}

// reserve counts a room that is about to be made, unless it is made already. It returns false if there are as many as
// allowed.
func (c *census) reserve(m *making) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.made || m.reserved {
		return true
	}
	if c.full() {
		return false
	}
	m.reserved = true
	c.reserved++
	return true
}

// end ends what begin began. If the room was not made, its reservation ends with the last request.
func (c *census) end(id string, m *making) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.requests--; m.requests > 0 {
		return
	}
	delete(c.making, id)
	if !m.made {
		c.countReserved(m, false)
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
	return r.made.count
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
