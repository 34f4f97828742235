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

// A volume is never filled by what the log writes, as it then could do nothing any more: neither withdraw a key, nor delete, nor
// start. What is needed is counted in memtables: up to three wait, each with its write-ahead log, and become tables.
const (
	refuseTables  = 8 // less is free: events are refused
	takeTables    = 10
	compactTables = 6 // less is free: nothing is compacted, but for room: then reopenTables
	lastTables    = 2 // less is free: all is refused
	reopenTables  = 3
	nearTables    = 512 // less is free: the file is made that is given up when others fill the volume
	spareTables   = 5   // its size; no compaction may take what it leaves
)

// The largest memtables, and the part of a volume that they may be: small volumes get smaller ones, and with them smaller
// write-ahead logs and a smaller reserve.
const (
	largestTable  = 16 << 20
	smallestTable = 1 << 20
	tableShare    = 64
)

// tableFor is the size of memtables on a volume.
func tableFor(total uint64) uint64 {
	return min(largestTable, max(smallestTable, total/tableShare))
}

// levels are what must be free on the volume, in bytes. Between two of a pair nothing changes, so that taking and refusing do
// not alternate.
type levels struct {
	refuse, take uint64 // events
	last, reopen uint64 // what is taken from the reserve
	compact      uint64 // for compactions
	spare        uint64 // the file's size
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

// room is what is known of the free space. It is guarded by condition's mu, but for written.
type room struct {
	levels  levels
	spare   *spare
	written atomic.Int64 // since the last look
	free    uint64       // at the last look
	low     time.Time    // since when less than the last level is
	full    error        // events are refused
	empty   error        // all is refused
}

// lookEvery is after how many bytes written the free space is looked at, beside once a second: a fast writer fills the reserve
// in less.
const lookEvery = 1 << 20

// wrote counts what was written.
func (c *condition) wrote(n int) {
	if c.room.written.Add(int64(n)) >= lookEvery {
		c.checkSpace()
	}
}

// checkSpace looks at the free space; a file system that cannot tell is taken to have enough.
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
		c.options.Logger.Warn("the disk is nearly full; the file that was kept for this is given up", "folder", c.options.Dir)
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
		c.options.Logger.Error("publishes are refused; what withdraws trust or makes room is still taken", "cause", full)
		c.makeRoom()
	case full == nil && wasFull:
		c.options.Logger.Info("there is room on the disk again; publishes are taken", "free_mib", free>>20)
	}
	if empty != nil && !wasEmpty {
		c.options.Logger.Error("all changes are refused", "cause", empty)
	}
}

// lowFor is how long less than the last level must be free before the file is given up: what the log writes itself, and removes
// again, dips under it for a moment.
const lowFor = 500 * time.Millisecond

// mustGiveUp reports whether the file that was kept is needed now: at a start, when a write has failed, or when others fill the
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

// short is the error of too little free space. It lasts until over is free.
func (c *condition) short(was bool, under, over uint64) error {
	if free := c.room.free; free >= over || !was && free >= under {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are free for %s, and it needs %d MiB; make room there, delete what is not needed, or lower RETAIN_BYTES or RETAIN_AGE and start again",
		eventlog.ErrDiskFull, c.room.free>>20, c.options.Dir, over>>20)
}

// isFull reports whether a full disk is the cause of an error.
func isFull(err error) bool { return eventlog.DiskFull(err) }

// hasRoom reports whether as much is free now.
func (c *condition) hasRoom(bytes uint64) bool {
	usage, err := c.options.FS.GetDiskUsage(c.options.Dir)
	return err != nil || usage.AvailBytes >= bytes
}

// How tables are written when they could not be: Pebble itself would try again at once, hundreds of times a second.
const (
	soon         = 100 * time.Millisecond // where there is room again
	flushAgain   = 4 * time.Second        // where there seems to be too little: it may need less than is thought
	compactAgain = 30 * time.Second       // likewise
	compactWait  = time.Second            // one that waits longer fails, as its tables could not be dropped meanwhile
)

// attempt is when writing tables last failed, and why.
type attempt struct {
	first time.Time // of those in a row
	at    time.Time
	err   error
}

// again is the next in a row.
func (a attempt) again(err error) attempt {
	now := time.Now()
	if a.err == nil {
		a.first = now
	}
	return attempt{a.first, now, err}
}

var errPaused = fmt.Errorf("nothing is compacted while the disk is full: %w", syscall.ENOSPC)

// awaitFlush holds up the writing of a memtable after one that failed.
func (c *condition) awaitFlush() error {
	for {
		c.mu.Lock()
		last := c.flush
		c.mu.Unlock()
		if last.err != nil && !c.running.Load() && time.Since(last.first) > openMost {
			c.Fatalf("a memtable cannot be written: %v", last.err) // a start does not wait for ever
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

// awaitCompaction holds up a compaction while there is little room, or a memtable waits to be written.
func (c *condition) awaitCompaction() error {
	for began := time.Now(); ; {
		c.mu.Lock()
		last, flush := c.compaction, c.flush
		c.mu.Unlock()
		since := time.Since(last.at)
		ready := last.err == nil || since >= compactAgain || c.reclaiming.Load() && since >= reclaimEvery/2 ||
			since >= soon && c.hasRoom(c.room.levels.take)
		if ready && flush.err == nil && c.mayCompact() {
			return nil
		}
		if time.Since(began) >= compactWait || !c.pause() {
			return errPaused
		}
	}
}

// mayCompact reports whether there is room for more of a compaction. What memtables, write-ahead logs and the next start need is
// never taken; one that gives room may take the rest.
func (c *condition) mayCompact() bool {
	if c.reclaiming.Load() {
		return c.hasRoom(c.room.levels.reopen)
	}
	return c.hasRoom(c.room.levels.compact)
}

// pause waits a moment; it is false when the engine is closing.
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

// Categories of writes, as Pebble names them.
const (
	flushing   vfs.DiskWriteCategory = "pebble-memtable-flush"
	compacting vfs.DiskWriteCategory = "pebble-compaction"
)

// createTable makes the file of a table, when there may be room for it.
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
	written    int // since the last look at the room
}

// Write stops a compaction where there is no more room for it. Pebble removes what that has written.
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

// failed notes an error. That a compaction finds no room refuses nothing by itself.
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
