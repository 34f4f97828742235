package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
)

// Durability is what a commit survives.
type Durability int

// The two durabilities: a kill of the process, or a power cut too.
const (
	Process Durability = iota
	Disk
)

// Options of an engine; zero values take the defaults named.
type Options struct {
	Dir        string
	FS         vfs.FS // the real one
	Durability Durability
	Retain     func(space string) eventlog.Retention // nothing is dropped
	Source     eventlog.Source                       // the system's
	Logger     *slog.Logger
	Fatal      func(error) // called once, when the engine is dead for good
	Reserve    int64       // free space under which events are refused; 128 MiB, and an eighth of a volume under 1 GiB

	Cache    int64  // bytes of unpacked blocks; 16 MiB
	MemTable uint64 // bytes of one; 16 MiB, less on a small volume, and in tests of what a full one sets off
}

var _ eventlog.Engine = (*Engine)(nil)

// Engine keeps the log in a folder.
type Engine struct {
	options Options
	bounds  bounds
	db      *pebble.DB
	lock    *pebble.Lock
	folder  *folder
	state   *condition
	runs    []eventlog.Run
	clock   *eventlog.Clock
	anchor  eventlog.Anchor // the newest that is stored; of the keeper, and then of Close
	news    atomic.Bool     // something was committed since
	damage  damage          // found at the start

	mu     sync.RWMutex
	spaces map[string]*space
	next   uint32 // number of the space to come

	viewing    sync.Mutex // a leaf, but for Pebble's own
	shown      *moment    // before the commit of rows that is under way, nil where there is none
	committing bool       // something is being committed
	committed  uint64     // the last position that was

	using  sync.RWMutex // held for reading by all that call into Pebble, until Close
	closed bool

	retaining sync.Mutex // held by Retain

	deleted deleted

	kick  chan struct{} // holds a token when a space crossed its bytes
	quit  chan struct{} // closed by Close
	once  sync.Once
	group sync.WaitGroup
}

// Open opens or makes the log in a folder and takes a position for this run.
func Open(o Options) (*Engine, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Retain == nil {
		o.Retain = func(string) eventlog.Retention { return eventlog.Retention{} }
	}
	if o.Source.Now == nil {
		o.Source = eventlog.System()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Cache == 0 {
		o.Cache = cacheBytes
	}
	e := &Engine{options: o, bounds: measured, spaces: map[string]*space{}, next: 1, kick: make(chan struct{}, 1), quit: make(chan struct{})}
	if err := e.open(); err != nil {
		return nil, err
	}
	if err := e.load(); err != nil {
		return nil, errors.Join(e.cure(err), e.db.Close(), e.unlock())
	}
	e.tellDamage()
	// What the run begins with is on the disk, whatever the durability: a position that a power cut takes
	// is then told as lost.
	e.state.running.Store(true)
	e.group.Go(e.keep)
	e.group.Go(e.watch)
	e.group.Go(e.reclaim)
	return e, nil
}

// kickKeep has keep look at what can be dropped now.
func (e *Engine) kickKeep() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// What unpacked blocks, and one memtable, may take where Options have nothing else. Pebble counts its memtables in with the cache: one that is written to,
// and one that is put away or kept for the next. Without room for these, no block stays: a document read by its id
// took 150 µs instead of 85, and 200 by an index 17 ms instead of 4.
const cacheBytes = 16 << 20

// Footprint is what the engine takes of memory beside the Go heap: blocks and memtables, of which a third may wait to be
// flushed. Built with cgo, Pebble has them from malloc, where the runtime's limit of memory does not count them.
func Footprint(cache, memTable int64) int64 { return cache + 3*memTable }

// pebbleOptions are as measured: two shared cores, 200 B events, 50,000 a second.
func (e *Engine) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		FS:   walFS{waitFS{e.options.FS, e.state}, e.state},
		Lock: e.lock,
		// From format 20 on WAL chunks state how far they were synced; with a missing page (a power cut
		// in `process`) newer formats refuse to open, 19 opens with the prefix.
		FormatMajorVersion:          pebble.FormatColumnarBlocks,
		CacheSize:                   e.options.Cache + 2*int64(e.options.MemTable),
		MemTableSize:                e.options.MemTable,
		MemTableStopWritesThreshold: 3,
		L0CompactionThreshold:       8, // 4: p99 of 100 to 150 ms at 50,000/s, and 3 µs more an event
		L0StopWritesThreshold:       64,
		BytesPerSync:                512 << 10,
		WALBytesPerSync:             1 << 20,
		FlushDelayDeleteRange:       10 * time.Second,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
		Logger:                      e.state,
		EventListener:               e.state.listener(),
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 8 << 10
		o.Levels[i].IndexBlockSize = 32 << 10
	}
	// No compression would save 2 to 4 µs an event and take a third more disk.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return o
}

// load reads what the log knows of itself and notes the new run.
func (e *Engine) load() error {
	last, err := e.getUint64(lastKey)
	if err != nil {
		return fmt.Errorf("reading the last id: %w", err)
	}
	if err := e.loadSpaces(); err != nil {
		return fmt.Errorf("reading spaces and segments: %w", err)
	}
	if err := e.loadClock(last); err != nil {
		return fmt.Errorf("reading the log's time: %w", err)
	}
	if err := e.loadRuns(last); err != nil {
		return fmt.Errorf("noting the run: %w", err)
	}
	return nil
}

func (e *Engine) getUint64(key []byte) (uint64, error) {
	v, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if len(v) != 8 {
		return 0, errRecord
	}
	return binary.BigEndian.Uint64(v), nil
}

// each calls f with all keys that begin with prefix, cut off, and their values.
func (e *Engine) each(prefix []byte, f func(rest, value []byte) error) error {
	iter, err := e.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: past(prefix)})
	if err != nil {
		return err
	}
	for iter.First(); iter.Valid() && err == nil; iter.Next() {
		err = f(iter.Key()[len(prefix):], iter.Value())
	}
	return errors.Join(err, iter.Error(), iter.Close())
}

func (e *Engine) loadSpaces() error {
	byNumber := map[uint32]*space{}
	err := e.each([]byte{keyMeta, metaSpace}, func(name, v []byte) error {
		if len(v) != 4 {
			return errRecord
		}
		s := &space{name: string(name), number: binary.BigEndian.Uint32(v)}
		e.spaces[s.name], byNumber[s.number] = s, s
		e.next = max(e.next, s.number+1)
		return nil
	})
	if err != nil {
		return err
	}
	err = e.each([]byte{keyMeta, metaSegment}, func(k, v []byte) error {
		if len(k) != 8 || byNumber[binary.BigEndian.Uint32(k)] == nil {
			return errRecord
		}
		s := byNumber[binary.BigEndian.Uint32(k)]
		seg, err := readSegment(binary.BigEndian.Uint32(k[4:]), v)
		s.segments = append(s.segments, seg)
		return err
	})
	if err != nil {
		return err
	}
	return e.each([]byte{keyMeta, metaFloor}, func(k, v []byte) error {
		if len(k) != 4 || len(v) != 8 || byNumber[binary.BigEndian.Uint32(k)] == nil {
			return errRecord
		}
		byNumber[binary.BigEndian.Uint32(k)].removed = binary.BigEndian.Uint64(v)
		return nil
	})
}

// maxRuns bounds the lives that are remembered. A position older than the first of them is told as
// unknown.
const maxRuns = 4096

// loadRuns reads the runs and begins another, above all that was ever given out and at the present. With it the clock is
// tied to what goes on without the process.
func (e *Engine) loadRuns(last uint64) error {
	number := uint64(0)
	first := uint64(0)
	err := e.each([]byte{keyMeta, metaRun}, func(k, v []byte) error {
		if len(k) != 8 || len(v) != 16 {
			return errRecord
		}
		if number = binary.BigEndian.Uint64(k) + 1; len(e.runs) == 0 {
			first = number - 1
		}
		e.runs = append(e.runs, eventlog.Run{Recovered: binary.BigEndian.Uint64(v), Start: binary.BigEndian.Uint64(v[8:])})
		return nil
	})
	if err != nil {
		return err
	}
	start, marked := e.clock.Next(last)
	run := eventlog.Run{Recovered: last, Start: start}
	b := e.db.NewBatch()
	defer b.Close()
	if marked {
		err = b.Set(marksKey, e.clock.Marks(), nil)
	}
	e.anchor = e.newAnchor()
	if len(e.runs) >= maxRuns {
		e.runs = e.runs[1:]
		err = errors.Join(err, b.Delete(runKey(first), nil))
	}
	e.runs = append(e.runs, run)
	e.committed = run.Start
	row := appendUint64(appendUint64(nil, run.Recovered), run.Start)
	if err = errors.Join(err, b.Set(runKey(number), row, nil), b.Set(lastKey, appendUint64(nil, run.Start), nil),
		b.Set(anchorKey, e.anchor.Append(nil), nil)); err != nil {
		return err
	}
	return e.commit(b)
}

// Runs are the lives of the log.
func (e *Engine) Runs() []eventlog.Run { return e.runs }

// begin is called before all that calls into Pebble, which panics once it is closed; where it gives no
// error e.using.RUnlock comes after.
func (e *Engine) begin() error {
	e.using.RLock()
	if e.closed {
		e.using.RUnlock()
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrClosed)
	}
	return nil
}

// closeMost is how long Close waits for a disk that fails and may heal.
const closeMost = 10 * time.Second

// Close ends the engine. A dead one is left as it is, since closing would wait for what cannot end, and
// so is one that dies while it closes, as on a full disk: the cause was told then. What was committed is
// safe, however it ends.
func (e *Engine) Close() error {
	var err error
	e.once.Do(func() {
		close(e.quit)
		done := make(chan error, 1)
		go func() { done <- e.close() }() // waited for, unless the engine is dead
		select {
		case err = <-done:
		case <-e.state.failed:
		case <-time.After(closeMost):
			err = fmt.Errorf("closing the log in %s: the disk does not take what waits to be written", e.options.Dir)
		}
	})
	return err
}

func (e *Engine) close() error {
	e.group.Wait()
	last := e.lastAnchor()
	e.using.Lock()
	e.closed = true
	e.using.Unlock()
	if e.state.dead() {
		return nil
	}
	return errors.Join(last, e.db.Close(), e.unlock())
}
