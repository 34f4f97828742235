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

// While the disk is full, room has to come back by what is deleted. The tables that hold it would wait for others to be compacted
// with, which never come, as nothing is published. So what was deleted is noted, and brought to the tables.

// reclaimEvery is how often at most that is done.
const reclaimEvery = 2 * time.Second

// deletedPrefix is how much of a key those of a range have in common, and deletedMost how many ranges are kept. What is deleted
// beyond them is compacted some day.
const (
	deletedPrefix = 16
	deletedMost   = 256
)

// deleted is what was deleted while the disk was full.
type deleted struct {
	mu     sync.Mutex
	some   bool
	ranges map[string]keyRange // by the beginning of their keys
}

type keyRange struct{ first, last []byte }

// deletedBy is what a batch deletes. It has to be asked before the batch is committed, which may take what it holds.
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

// note notes what a commit has deleted.
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

// take gives what was noted, and forgets it.
func (d *deleted) take() (ranges []keyRange, some bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.ranges {
		ranges = append(ranges, r)
	}
	some, d.some, d.ranges = d.some, false, nil
	return ranges, some
}

// reclaim brings what was deleted on a full disk to the tables, until Close.
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
				e.options.Logger.Debug("making room of what was deleted; it is tried again", "cause", plain(err))
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

// reclaims reports whether the disk is full, but not so that a memtable cannot be written.
func (c *condition) reclaims() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.full != nil && c.flush.err == nil && c.reason == nil
}
