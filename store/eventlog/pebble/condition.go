package pebble

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// condition knows whether the disk accepts writes. It is also Pebble's Logger, since Pebble reports a WAL or MANIFEST
// that it cannot write by calling Fatalf, and never by an error.
type condition struct {
	options Options
	failed  chan struct{}
	quit    <-chan struct{} // closed when the engine is closing
	running atomic.Bool     // the engine is open
	syncing atomic.Bool     // a commit is synced with any durability
	damaged atomic.Uint64   // damaged places found

	mu         sync.Mutex
	reason     error     // why the engine has failed for good; nil otherwise
	background error     // of a write that Pebble tries again
	seen       time.Time // when background last occurred
	flush      attempt   // the last one, if it failed
	compaction attempt   // the last one, if it failed

	looking  sync.Mutex // locked by checkSpace
	room     room
	makeRoom func() // starts retention now

	reclaiming atomic.Bool // compactions now free space
}

// quiet is how long a background error counts after it last occurred. Pebble tries a flush 100 times a second, and
// untilRoom 20 times. A flush that succeeds clears the error at once. Other writes that fail, such as compactions, have
// no event that clears it.
const quiet = 10 * time.Second

func newCondition(o Options, quit <-chan struct{}) *condition {
	c := &condition{options: o, failed: make(chan struct{}), quit: quit, makeRoom: func() {}}
	c.room.levels, c.room.spare = levelsOf(o), findSpare(o.Dir, o.FS)
	return c
}

// Infof logs what Pebble does.
func (c *condition) Infof(format string, args ...any) {
	c.options.Logger.Debug("pebble: " + fmt.Sprintf(format, args...))
}

// Errorf logs an error after which Pebble goes on.
func (c *condition) Errorf(format string, args ...any) {
	c.options.Logger.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf ends the engine. It closes failed, so that everybody who waits knows, and never returns: Pebble would go on as
// if the write had succeeded. There is no second try, since after a failed fsync nobody can tell what is on the disk.
func (c *condition) Fatalf(format string, args ...any) {
	c.mu.Lock()
	first := c.reason == nil
	if first {
		c.reason = fmt.Errorf("writing the log in %s: %s", c.options.Dir, fmt.Sprintf(format, args...))
		close(c.failed)
	}
	c.mu.Unlock()
	if first {
		c.options.Logger.Error("the log has failed", "cause", c.reason)
		if c.options.Fatal != nil && c.running.Load() { // before that, Open returns the error
			c.options.Fatal(c.reason)
		}
	}
	select {}
}

// endBy ends the engine by an error, and then does not return. While the engine opens, it returns the error instead.
func (c *condition) endBy(err error) error {
	if err != nil && c.running.Load() {
		c.Fatalf("%v", err)
	}
	return err
}

// answersAtOnce reports whether fsyncs of the WAL return at once.
func (c *condition) answersAtOnce() bool {
	return c.options.Durability == Process && c.running.Load() && !c.syncing.Load()
}

func (c *condition) dead() bool {
	select {
	case <-c.failed:
		return true
	default:
		return false
	}
}

func (c *condition) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if errors.Is(err, errPaused) {
				c.options.Logger.Debug("a compaction waits for room", "cause", plain(err))
				return
			}
			if c.setBackground(err) {
				c.options.Logger.Error("the log cannot write to the disk; publishes are refused until it can", "cause", plain(err))
			}
		},
		// Pebble's default would end the process. A client that reads the damaged place could do that again and again.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			c.damaged.Add(1)
			c.options.Logger.Error("the log is damaged; events in the damaged part cannot be read", "cause", plain(info.Details), "file", info.Path)
		},
		FlushEnd: func(info pebble.FlushInfo) {
			if info.Err == nil && c.wroteTables() {
				c.options.Logger.Info("the log can write to the disk again")
			}
		},
		CompactionEnd: func(info pebble.CompactionInfo) {
			if info.Err == nil {
				c.mu.Lock()
				c.compaction = attempt{}
				c.mu.Unlock()
			}
		},
	}
}

// setBackground reports whether err changes the condition.
func (c *condition) setBackground(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := (c.background == nil) != (err == nil)
	c.background, c.seen = err, time.Now()
	return news
}

// wroteTables notes that a memtable was written. It reports whether that changes the condition.
func (c *condition) wroteTables() bool {
	c.mu.Lock()
	c.flush = attempt{}
	c.mu.Unlock()
	return c.setBackground(nil)
}

// why returns the reason that the engine takes no events now, or with fromReserve no requests from the reserve. nil
// means that it takes them.
func (c *condition) why(fromReserve bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.reason != nil:
		return c.reason
	case c.room.empty != nil:
		return c.room.empty
	case fromReserve && (c.room.full != nil || isFull(c.background)):
		return nil
	case c.room.full != nil:
		return c.room.full
	case c.background != nil && time.Since(c.seen) < quiet:
		return fmt.Errorf("the disk of %s cannot be written to: %w", c.options.Dir, c.background)
	}
	return nil
}

// Failed is closed when the engine has failed for good.
func (e *Engine) Failed() <-chan struct{} { return e.state.failed }

// Health is the reason that the engine cannot serve now, or nil.
func (e *Engine) Health() error { return e.state.why(false) }

// Admit refuses requests that the disk cannot take now, before they wait for it. Requests from the reserve are refused
// only when the reserve is used up.
func (e *Engine) Admit(r *eventlog.Request) error {
	fromReserve := r.UsesReserve()
	err := e.state.why(fromReserve)
	if err != nil && fromReserve && !e.state.dead() {
		e.state.checkSpace() // a start or a compaction may have removed files since the last look
		err = e.state.why(fromReserve)
	}
	return err
}

// keepEvery is the time between two looks at retention, the folder and the free space.
const keepEvery = time.Second

// watch checks the folder and the free space until Close. It does nothing that a full disk could block.
func (e *Engine) watch() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.quit:
			return
		case <-tick.C:
			if err := e.folder.check(); err != nil {
				e.state.Fatalf("%v", err)
			}
			e.state.checkSpace()
		}
	}
}

// keep stores the clock's anchor and drops old answers until Close.
func (e *Engine) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for ticks := 0; ; {
		select {
		case <-e.quit:
			return
		case <-tick.C:
		}
		ticks++
		if err := e.keepClock(); err != nil && !e.state.dead() {
			e.options.Logger.Error("storing the log's time", "cause", err)
		}
		if ticks == answersEvery {
			ticks = 0
			if err := e.dropAnswers(); err != nil && !e.state.dead() {
				e.options.Logger.Error("dropping old answers", "cause", err)
			}
		}
	}
}
