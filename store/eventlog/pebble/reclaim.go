package pebble

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// While the disk is full, deletions must free space. But a deletion frees space only when Pebble compacts the tables
// that have the deleted keys, and no compaction would start, since nothing is published. So the engine notes the ranges
// of deleted keys and compacts them.

// reclaimEvery is the shortest time between two such compactions.
const reclaimEvery = 2 * time.Second

// Deleted keys with the same first deletedPrefix bytes form one range. At most deletedMost ranges are noted. Keys
// outside them wait for an ordinary compaction.
const (
	deletedPrefix = 16
	deletedMost   = 256
)

// deleted are the ranges deleted while the disk was full.
type deleted struct {
	mu     sync.Mutex
	some   bool
	ranges map[string]keyRange // by the first bytes of their keys
}

type keyRange struct{ first, last []byte }

// deletedBy returns the ranges that a batch deletes. Call it before the commit, which may take the batch's memory.
func deletedBy(b *pebble.Batch) (ranges []keyRange) {
	var d deleted
	for r := b.Reader(); ; {
		kind, key, value, ok, err := r.Next()
		if !ok || err != nil {
			ranges, _ = d.take()
			return ranges
		}
		switch kind {
		case pebble.InternalKeyKindDelete:
			d.add(keyRange{key, key})
		case pebble.InternalKeyKindRangeDelete:
			d.add(keyRange{key, value})
		}
	}
}

// note adds what a commit has deleted.
func (d *deleted) note(ranges []keyRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.some = true
	for _, r := range ranges {
		d.add(r)
	}
}

func (d *deleted) add(r keyRange) {
	prefix := string(r.first[:min(len(r.first), deletedPrefix)])
	old, there := d.ranges[prefix]
	switch {
	case !there && len(d.ranges) >= deletedMost:
		return
	case !there:
		old = keyRange{slices.Clone(r.first), slices.Clone(r.last)}
	}
	if bytes.Compare(r.first, old.first) < 0 {
		old.first = slices.Clone(r.first)
	}
	if bytes.Compare(r.last, old.last) > 0 {
		old.last = slices.Clone(r.last)
	}
	if d.ranges == nil {
		d.ranges = map[string]keyRange{}
	}
	d.ranges[prefix] = old
}

// take returns the noted ranges and forgets them.
func (d *deleted) take() (ranges []keyRange, some bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.ranges {
		ranges = append(ranges, r)
	}
	some, d.some, d.ranges = d.some, false, nil
	return ranges, some
}

// reclaim compacts what is deleted on a full disk, until Close.
func (e *Engine) reclaim() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e.group.Go(func() { // ends with reclaim
		select {
		case <-e.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	tick := time.NewTicker(reclaimEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.quit:
			return
		case <-tick.C:
			if err := e.reclaimNow(ctx); err != nil && !e.state.dead() {
				e.options.Logger.Debug("freeing the space of deleted events failed; trying again", "cause", plain(err))
			}
		}
	}
}

func (e *Engine) reclaimNow(ctx context.Context) error {
	if !e.state.reclaims() {
		return nil
	}
	ranges, some := e.deleted.take()
	if !some {
		return nil
	}
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	flushed, err := e.db.AsyncFlush()
	if err == nil {
		select {
		case <-flushed:
		case <-ctx.Done():
			return nil
		}
		e.state.reclaiming.Store(true)
		defer e.state.reclaiming.Store(false)
	}
	for i, r := range ranges {
		if err == nil {
			err = e.db.Compact(ctx, r.first, append(r.last, 0), false)
		}
		if err != nil {
			e.deleted.note(ranges[i:])
			return fmt.Errorf("compacting what was deleted: %w", err)
		}
	}
	return nil
}

// reclaims reports whether the disk is full, but a memtable can still be written.
func (c *condition) reclaims() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.full != nil && c.flush.err == nil && c.reason == nil
}
