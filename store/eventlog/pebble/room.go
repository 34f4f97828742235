package pebble

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
)

// The log never fills its volume. On a full one it could not revoke a key, delete anything or start. The levels of free
// space are multiples of the memtable size: up to three memtables wait, each with its write-ahead log, and become
// tables. By default:
//
//	free space      size  what happens when less is free
//	---------------------------------------------------------------------------------
//	nearTables       512  the spare file is made, if there is room for it
//	takeTables        10  (events that were refused are taken again above this level)
//	refuseTables       8  events are refused; requests from the reserve are taken
//	compactTables      6  no compaction starts, except to free space: then reopenTables
//	reopenTables       3  (all that was refused from the reserve is taken again above)
//	lastTables         2  everything is refused; the spare file is given up
const (
	refuseTables  = 8
	takeTables    = 10
	compactTables = 6
	lastTables    = 2
	reopenTables  = 3
	nearTables    = 512
	spareTables   = 5 // the size of the spare file; no compaction may use the space that it leaves
)

// The bounds of a memtable's size, and the part of the volume that it may take. A small volume gets smaller memtables,
// and with them smaller write-ahead logs and a smaller reserve.
const (
	largestTable  = 16 << 20
	smallestTable = 1 << 20
	tableShare    = 64
)

// tableFor is the size of memtables for a volume of total bytes.
func tableFor(total uint64) uint64 {
	return min(largestTable, max(smallestTable, total/tableShare))
}

// levels are levels of free space on the volume, in bytes. Between the two levels of a pair nothing changes, so that
// the engine does not alternate between taking and refusing.
type levels struct {
	refuse, take uint64 // events
	last, reopen uint64 // requests from the reserve
	compact      uint64 // compactions
	spare        uint64 // size of the spare file
}

func levelsOf(o Options) levels {
	l := levels{
		refuse: refuseTables * o.MemTable, take: takeTables * o.MemTable,
		last: lastTables * o.MemTable, reopen: reopenTables * o.MemTable,
		compact: compactTables * o.MemTable, spare: spareTables * o.MemTable,
	}
	if o.Reserve > 0 {
		l.take += uint64(o.Reserve) - l.refuse
		l.refuse = uint64(o.Reserve)
		l.last = min(l.last, l.refuse/2)
		l.reopen = min(l.reopen, l.refuse)
		l.compact = min(l.compact, l.refuse)
	}
	return l
}

// room is what the engine knows of the free space. condition.mu guards it, except written.
type room struct {
	levels  levels
	spare   *spare
	written atomic.Int64 // since the last look
	free    uint64       // at the last look
	low     time.Time    // since when less than levels.last is free; zero if more is
	full    error        // why events are refused, or nil
	empty   error        // why everything is refused, or nil
}

// lookEvery is the number of bytes written between two looks at the free space, besides the look once a second. A fast
// writer fills the reserve in less than a second.
const lookEvery = 1 << 20

// wrote counts written bytes.
func (c *condition) wrote(n int) {
	if c.room.written.Add(int64(n)) >= lookEvery {
		c.checkSpace()
	}
}

// checkSpace looks at the free space. A file system that cannot report it counts as having enough.
func (c *condition) checkSpace() {
	c.looking.Lock()
	defer c.looking.Unlock()
	r := &c.room
	r.written.Store(0)
	usage, err := c.options.FS.GetDiskUsage(c.options.Dir)
	if err != nil {
		return
	}
	if c.mustGiveUp(usage.AvailBytes) && r.spare.giveUp() {
		c.options.Logger.Warn("the disk is nearly full; the file RESERVE is removed to free space", "folder", c.options.Dir)
		if usage, err = c.options.FS.GetDiskUsage(c.options.Dir); err != nil {
			return
		}
	}
	free := usage.AvailBytes
	if free >= r.levels.compact+r.levels.spare && free < nearTables*c.options.MemTable {
		r.spare.keep(int64(r.levels.spare))
	}
	c.mu.Lock()
	wasFull, wasEmpty := r.full != nil, r.empty != nil
	r.free = free
	r.full = c.short(wasFull, r.levels.refuse, r.levels.take)
	r.empty = c.short(wasEmpty, r.levels.last, r.levels.reopen)
	full, empty := r.full, r.empty
	if full == nil && isFull(c.background) {
		c.background = nil
	}
	c.mu.Unlock()
	switch {
	case full != nil && !wasFull:
		c.options.Logger.Error("publishes are refused; revocations and deletions are still accepted", "cause", full)
		c.makeRoom()
	case full == nil && wasFull:
		c.options.Logger.Info("the disk has free space again; publishes are accepted", "free_mib", free>>20)
	}
	if empty != nil && !wasEmpty {
		c.options.Logger.Error("all changes are refused", "cause", empty)
	}
}

// lowFor is how long less than the last level must be free before the spare file is given up. The log's own temporary
// files go below it for a moment.
const lowFor = 500 * time.Millisecond

// mustGiveUp reports whether the spare file is needed now: at a start, after a failed write, or when others fill the
// volume.
func (c *condition) mustGiveUp(free uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if free >= c.room.levels.last {
		c.room.low = time.Time{}
		return false
	}
	if c.room.low.IsZero() {
		c.room.low = time.Now()
	}
	return !c.running.Load() || isFull(c.background) || isFull(c.flush.err) || time.Since(c.room.low) >= lowFor
}

// short returns the error of too little free space, or nil. If was is true, it returns the error until over is free.
func (c *condition) short(was bool, under, over uint64) error {
	if free := c.room.free; free >= over || !was && free >= under {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are free for %s, and it needs %d MiB; free space there, delete what is not needed, or lower RETAIN_BYTES or RETAIN_AGE and start again",
		eventlog.ErrDiskFull, c.room.free>>20, c.options.Dir, over>>20)
}

// isFull reports whether err means that the disk is full.
func isFull(err error) bool { return eventlog.DiskFull(err) }

// hasRoom reports whether that many bytes are free now.
func (c *condition) hasRoom(bytes uint64) bool {
	usage, err := c.options.FS.GetDiskUsage(c.options.Dir)
	return err != nil || usage.AvailBytes >= bytes
}

// When a table is written again after a failure. Pebble alone would try again at once, hundreds of times a second.
const (
	soon         = 100 * time.Millisecond // if there is room again
	flushAgain   = 4 * time.Second        // if there seems to be too little: it may need less than expected
	compactAgain = 30 * time.Second       // the same for a compaction
	compactWait  = time.Second            // a compaction that waits longer fails: while it waits, its tables cannot be dropped
)

// attempt is the last failed write of a table.
type attempt struct {
	first time.Time // of the failures in a row
	at    time.Time
	err   error
}

// again is the next failure in a row.
func (a attempt) again(err error) attempt {
	now := time.Now()
	if a.err == nil {
		a.first = now
	}
	return attempt{a.first, now, err}
}

// pause is how long a compaction that may free space waits after a failure. It grows with the failures in a row, since
// each may have written all that is free.
func (a attempt) pause() time.Duration { return max(compactWait, a.at.Sub(a.first)) }

// retryCompaction makes that pause short again: more was deleted since.
func (c *condition) retryCompaction() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compaction.first = c.compaction.at
}

var errPaused = fmt.Errorf("nothing is compacted while the disk is full: %w", syscall.ENOSPC)

// awaitFlush delays the writing of a memtable after a failure.
func (c *condition) awaitFlush() error {
	for {
		c.mu.Lock()
		last := c.flush
		c.mu.Unlock()
		if last.err != nil && !c.running.Load() && time.Since(last.first) > openMost {
			c.Fatalf("a memtable cannot be written: %v", last.err) // a start must not wait for ever
		}
		since := time.Since(last.at)
		switch {
		case last.err == nil, since >= flushAgain:
			return nil
		case since >= soon && isFull(last.err) && c.hasRoom(c.room.levels.last):
			return nil
		case since >= time.Second && !isFull(last.err):
			return nil
		}
		if !c.pause() {
			return last.err
		}
	}
}

// awaitCompaction delays a compaction while there is little room, or while a memtable waits to be written.
func (c *condition) awaitCompaction() error {
	for began := time.Now(); ; {
		c.mu.Lock()
		last, flush := c.compaction, c.flush
		c.mu.Unlock()
		since := time.Since(last.at)
		ready := last.err == nil || since >= compactAgain || c.reclaiming.Load() && since >= last.pause() ||
			since >= soon && c.hasRoom(c.room.levels.take)
		if ready && flush.err == nil && c.mayCompact() {
			return nil
		}
		if time.Since(began) >= compactWait || !c.pause() {
			return errPaused
		}
	}
}

// mayCompact reports whether a compaction may write more. It must leave what memtables, write-ahead logs and the next
// start need. A compaction that frees space may use more.
func (c *condition) mayCompact() bool {
	if c.reclaiming.Load() {
		return c.hasRoom(c.room.levels.reopen)
	}
	return c.hasRoom(c.room.levels.compact)
}

// pause waits a moment. It returns false if the engine is closing.
func (c *condition) pause() bool {
	select {
	case <-c.quit:
		return false
	case <-time.After(roomEvery):
		return true
	}
}

// tableFailed notes that a table could not be written.
func (c *condition) tableFailed(compacting bool, err error) {
	c.mu.Lock()
	if compacting {
		c.compaction = c.compaction.again(err)
	} else {
		c.flush = c.flush.again(err)
	}
	c.mu.Unlock()
	if isFull(err) {
		c.checkSpace()
	}
}

// Pebble's names for categories of writes.
const (
	flushing   vfs.DiskWriteCategory = "pebble-memtable-flush"
	compacting vfs.DiskWriteCategory = "pebble-compaction"
)

// createTable makes the file of a table when there may be room for it.
func (f waitFS) createTable(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	await := f.state.awaitFlush
	if category == compacting {
		await = f.state.awaitCompaction
	}
	if err := await(); err != nil {
		return nil, err
	}
	t := &tableFile{state: f.state, compacting: category == compacting}
	var err error
	t.File, err = f.FS.Create(name, category)
	if err != nil {
		return nil, t.failed(err)
	}
	return t, nil
}

type tableFile struct {
	vfs.File
	state      *condition
	compacting bool
	written    int // since the last look at the free space
}

// Write stops a compaction if there is no more room for it. Pebble then removes what the compaction has written.
func (f *tableFile) Write(p []byte) (int, error) {
	if f.written += len(p); f.compacting && f.written >= lookEvery/4 {
		f.written = 0
		if !f.state.mayCompact() {
			return 0, f.failed(errPaused)
		}
	}
	n, err := f.File.Write(p)
	return n, f.failed(err)
}

func (f *tableFile) Sync() error     { return f.failed(f.File.Sync()) }
func (f *tableFile) SyncData() error { return f.failed(f.File.SyncData()) }
func (f *tableFile) Close() error    { return f.failed(f.File.Close()) }

// failed notes an error. A compaction that finds no room does not make the engine refuse anything.
func (f *tableFile) failed(err error) error {
	if err == nil {
		return nil
	}
	f.state.tableFailed(f.compacting, err)
	if f.compacting && isFull(err) && !errors.Is(err, errPaused) {
		return fmt.Errorf("%w: %w", errPaused, err)
	}
	return err
}
