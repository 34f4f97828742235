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

// Process: a commit survives a kill of the process. Disk: it survives a power cut too.
const (
	Process Durability = iota
	Disk
)

// Options of an engine. Zero values mean the defaults named here.
type Options struct {
	Dir        string
	FS         vfs.FS // default: the real file system
	Durability Durability
	Retain     func(space string) eventlog.Retention // default: drop nothing
	Source     eventlog.Source                       // default: the system's
	Logger     *slog.Logger
	Fatal      func(error) // called once, when the engine has failed for good
	Reserve    int64       // events are refused if less space is free; 128 MiB, or an eighth of a volume under 1 GiB

	Cache    int64  // bytes of decompressed blocks; 16 MiB
	MemTable uint64 // bytes of one memtable; 16 MiB, less on a small volume and in some tests
}

var _ eventlog.Engine = (*Engine)(nil)

// Engine stores the log in a folder.
type Engine struct {
	options Options
	bounds  bounds
	db      *pebble.DB
	lock    *pebble.Lock
	folder  *folder
	state   *condition
	applied eventlog.Applied // at open
	clock   *eventlog.Clock
	anchor  eventlog.Anchor // the newest one stored; only keep uses it, and after it Close
	news    atomic.Bool     // something was committed since that anchor
	damage  damage          // what open found

	readOnly bool // of an Inspection

	mu     sync.RWMutex
	spaces map[string]*space
	next   uint32 // number of the next new space
	runs   runs
	stored eventlog.Applied // of the last commit

	viewing    sync.Mutex // a leaf lock: only Pebble's own locks come after it
	shown      *moment    // the state before the commit of rows that is under way, or nil
	committing bool       // a commit is under way
	committed  uint64     // the last committed position

	using  sync.RWMutex // read-locked by all that call Pebble; Close locks it
	closed bool

	deleted   deleted // to remove
	scattered deleted // to compact after that
	set       set

	kick  chan struct{} // has a token when a space exceeds its bytes
	quit  chan struct{} // closed by Close
	once  sync.Once
	group sync.WaitGroup
}

// Open opens or makes the log in a folder.
func Open(o Options) (*Engine, error) {
	e := newEngine(o)
	if err := e.open(); err != nil {
		return nil, err
	}
	err := e.load()
	if err == nil {
		err = e.setAnchor(e.newAnchor())
	}
	if err != nil {
		return nil, errors.Join(e.cure(err), e.db.Close(), e.unlock())
	}
	e.logDamage()
	e.state.running.Store(true)
	e.group.Go(e.keep)
	e.group.Go(e.watch)
	e.group.Go(e.reclaim)
	return e, nil
}

// newEngine makes an engine that is not open yet. It fills in the defaults of the options.
func newEngine(o Options) *Engine {
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
	return &Engine{options: o, bounds: measured, spaces: map[string]*space{}, next: 1, kick: make(chan struct{}, 1), quit: make(chan struct{})}
}

// kickKeep makes keep apply retention now.
func (e *Engine) kickKeep() {
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

// cacheBytes is the default for decompressed blocks. Pebble counts its memtables as part of the cache: the one in use,
// and one that is flushed or ready for reuse. Without room for these, no block stays in the cache: reading a document
// by its id took 150 µs instead of 85, and 200 documents by an index 17 ms instead of 4.
const cacheBytes = 16 << 20

// Footprint is the engine's memory outside the Go heap: blocks, and up to three memtables, of which some wait for a
// flush. With cgo, Pebble takes this memory from malloc, where the runtime's memory limit does not count it.
func Footprint(cache, memTable int64) int64 { return cache + 3*memTable }

// pebbleOptions were measured on two shared cores with 200 B events, 50,000 a second.
func (e *Engine) pebbleOptions() *pebble.Options {
	o := &pebble.Options{
		ReadOnly: e.readOnly,
		FS:       walFS{waitFS{e.options.FS, e.state}, e.state},
		Lock:     e.lock,
		// From format 20 on, WAL chunks contain how far they were synced. If a page is missing (a power cut with
		// `process`), newer formats refuse to open. Format 19 opens with what comes before it.
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
	// Without compression an event would take 2 to 4 µs less, and a third more disk.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionFastest })
	return o
}

// load reads the log's own state.
func (e *Engine) load() error {
	if err := e.loadApplied(); err != nil {
		return fmt.Errorf("reading the last id: %w", err)
	}
	if err := e.loadSpaces(); err != nil {
		return fmt.Errorf("reading spaces and segments: %w", err)
	}
	if err := e.loadClock(e.applied.Last); err != nil {
		return fmt.Errorf("reading the log's time: %w", err)
	}
	if err := e.loadRuns(); err != nil {
		return fmt.Errorf("reading the runs: %w", err)
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

// each calls f for all keys that begin with prefix, in order. rest is the key without the prefix.
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

// begin must be called before all that calls Pebble, which panics once it is closed. If it returns nil, the caller must
// call e.using.RUnlock.
func (e *Engine) begin() error {
	e.using.RLock()
	if e.closed {
		e.using.RUnlock()
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrClosed)
	}
	return nil
}

// closeMost is how long Close waits for a failing disk that may recover.
const closeMost = 10 * time.Second

// Close ends the engine. It leaves a failed engine as it is, since closing would wait for writes that cannot end. The
// same goes for an engine that fails while it closes, as on a full disk; Fatalf has logged the cause. What was
// committed is safe in every case.
func (e *Engine) Close() error {
	var err error
	e.once.Do(func() {
		close(e.quit)
		done := make(chan error, 1)
		go func() { done <- e.close() }() // the select waits for it, unless the engine has failed
		select {
		case err = <-done:
		case <-e.state.failed:
		case <-time.After(closeMost):
			err = fmt.Errorf("closing the log in %s: the disk does not accept the last writes", e.options.Dir)
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
