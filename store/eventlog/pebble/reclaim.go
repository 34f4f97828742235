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

// While the disk is full, deletions must free space. But a deletion frees space only when Pebble removes or compacts the
// tables that have the deleted keys, and it would do neither, since nothing is published. So the engine notes the
// ranges of deleted keys. It has Pebble remove the tables in which every key is deleted, and then compacts the ranges.
//
// The compaction frees the space of tables in which only some keys are deleted, but it may never run: it first has to
// move all tables of level 0 down, which may take more space than is free. Pebble also prefers its own compactions, and
// tries those within level 0 again and again on a full disk.

// reclaimEvery is the pause before the engine looks for deletions again.
const reclaimEvery = time.Second

// Deleted keys with the same first deletedPrefix bytes form one range. At most deletedMost ranges are noted. Keys
// outside them wait for an ordinary compaction.
const (
	deletedPrefix = 16
	deletedMost   = 256
)

// deleted are the ranges deleted while the disk was full.
type deleted struct {
	mu     sync.Mutex
	ranges map[string]keyRange // by the first bytes of their keys
}

type keyRange struct{ first, last []byte }

// changes are what a batch deletes and sets.
type changes struct {
	deleted []keyRange
	set     [][]byte
	all     bool // these are all
}

// changesBy reads a batch. Call it before the commit, which may take the batch's memory.
func changesBy(b *pebble.Batch) (c changes) {
	var d deleted
	for r := b.Reader(); ; {
		kind, key, value, ok, err := r.Next()
		if !ok || err != nil {
			c.deleted, c.all = d.take(), err == nil
			return c
		}
		switch kind {
		case pebble.InternalKeyKindDelete:
			d.add(keyRange{key, key})
		case pebble.InternalKeyKindRangeDelete:
			d.add(keyRange{key, value})
		default:
			c.set = append(c.set, slices.Clone(key))
		}
	}
}

// note adds ranges that are deleted.
func (d *deleted) note(ranges []keyRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
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
func (d *deleted) take() (ranges []keyRange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.ranges {
		ranges = append(ranges, r)
	}
	d.ranges = nil
	return ranges
}

// reclaim frees the space of what is deleted on a full disk, until Close.
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
	e.group.Go(func() { e.everyReclaim(e.compactDeleted(ctx)) }) // apart, since a compaction may wait for long
	e.everyReclaim(e.removeDeleted(ctx))
}

// everyReclaim calls f again and again, until Close.
func (e *Engine) everyReclaim(f func() error) {
	for {
		select {
		case <-e.quit:
			return
		case <-time.After(reclaimEvery):
		}
		if !e.state.reclaims() {
			continue
		}
		if err := e.begin(); err != nil {
			return
		}
		err := f()
		e.using.RUnlock()
		if err != nil && !e.state.dead() {
			e.options.Logger.Debug("freeing the space of deleted events failed; trying again", "cause", plain(err))
		}
	}
}

// removeDeleted removes the tables in which every key is deleted.
func (e *Engine) removeDeleted(ctx context.Context) func() error {
	var before []keyRange // the tables of the last time
	tries := 0
	return func() error {
		ranges := e.deleted.take()
		if len(ranges) == 0 {
			return nil
		}
		tables, err := e.cover(ctx, ranges)
		if err != nil {
			e.deleted.note(ranges)
			return err
		}
		if tries++; !slices.EqualFunc(tables, before, keyRange.equal) {
			tries = 0
		}
		if before = tables; tries < coverTries {
			e.deleted.note(tables) // to look whether they are gone
		}
		e.state.retryCompaction()
		e.scattered.note(ranges)
		if len(tables) == 0 {
			return nil
		}
		return e.flush(ctx)
	}
}

// flush writes the memtable. Only then does Pebble remove the tables that a range deletion covers.
func (e *Engine) flush(ctx context.Context) error {
	flushed, err := e.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flushing deletions: %w", err)
	}
	select {
	case <-flushed:
	case <-ctx.Done():
	}
	return nil
}

// compactDeleted compacts the deleted ranges.
func (e *Engine) compactDeleted(ctx context.Context) func() error {
	return func() error {
		ranges := e.scattered.take()
		e.state.reclaiming.Store(len(ranges) > 0)
		defer e.state.reclaiming.Store(false)
		for i, r := range ranges {
			if err := e.db.Compact(ctx, r.first, r.end(), false); err != nil {
				e.scattered.note(ranges[i:])
				return fmt.Errorf("compacting what was deleted: %w", err)
			}
		}
		return nil
	}
}

// reclaims reports whether the disk is full, but a memtable can still be written.
func (c *condition) reclaims() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room.full != nil && c.flush.err == nil && c.reason == nil
}
