package pebble

import (
	"fmt"
	"time"
)

// reclaimEvery is how often at most what was deleted is brought to the tables.
const reclaimEvery = 2 * time.Second

// reclaim brings what was deleted on a full disk to the tables at once: room comes back only when they are dropped or
// compacted, and with nothing more published that could take for ever.
func (e *Engine) reclaim() error {
	if !e.state.reclaims() || time.Since(e.reclaimed) < reclaimEvery || !e.deleted.Swap(false) {
		return nil
	}
	e.reclaimed = time.Now()
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	if _, err := e.db.AsyncFlush(); err != nil {
		return fmt.Errorf("writing deletions to tables: %w", err)
	}
	return nil
}

// reclaims reports whether the disk is full, but not so that a memtable cannot be written.
func (c *condition) reclaims() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.full != nil && c.flush.err == nil && c.reason == nil
}
