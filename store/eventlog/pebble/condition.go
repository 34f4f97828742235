package pebble

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// condition is whether the disk takes what is written. It is Pebble's Logger, since a WAL or MANIFEST
// that cannot be written comes to us as a call of Fatalf and never as an error.
type condition struct {
	options Options
	failed  chan struct{}
	quit    <-chan struct{} // closed when the engine is closing
	running atomic.Bool     // it is open
	damaged atomic.Uint64   // places met

	mu         sync.Mutex
	reason     error     // why it is dead for good
	background error     // of a write that is tried again
	seen       time.Time // when it was last met
	flush      attempt   // the last, where it failed
	compaction attempt   // likewise

	looking  sync.Mutex // held by checkSpace
	room     room
	makeRoom func() // what can be dropped is to be dropped now

	reclaiming atomic.Bool // compactions give room now
}

// quiet is how long a write that failed must not have failed again to be taken for healed. Pebble tries
// a flush 100 times a second, and untilRoom 20 times. A flush that works tells it at once; what else may
// fail (a compaction, a look at the free space) has nothing to tell it.
const quiet = 10 * time.Second

func newCondition(o Options, quit <-chan struct{}) *condition {
	c := &condition{options: o, failed: make(chan struct{}), quit: quit, makeRoom: func() {}}
	c.room.levels, c.room.spare = levelsOf(o), findSpare(o.Dir, o.FS)
	return c
}

// Infof is Pebble's chatter.
func (c *condition) Infof(format string, args ...any) {
	c.options.Logger.Debug("pebble: " + fmt.Sprintf(format, args...))
}

// Errorf is what Pebble goes on after.
func (c *condition) Errorf(format string, args ...any) {
	c.options.Logger.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf ends the engine: it tells all who wait, and never returns, since Pebble goes on as if what
// it could not write were written. After a failed fsync no repeat can tell what is on the disk.
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
		if c.options.Fatal != nil && c.running.Load() { // else Open returns it
			c.options.Fatal(c.reason)
		}
	}
	select {}
}

// endBy ends the engine by an error, and does not return then. One in opening it goes to the caller.
func (c *condition) endBy(err error) error {
	if err != nil && c.running.Load() {
		c.Fatalf("%v", err)
	}
	return err
}

// answersAtOnce says whether the WAL's fsyncs are not waited for.
func (c *condition) answersAtOnce() bool {
	return c.options.Durability == Process && c.running.Load()
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
		// Left alone, it would end the process: a client that reads there could do that again and again.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			c.damaged.Add(1)
			c.options.Logger.Error("the log is damaged; what lies there cannot be read", "cause", plain(info.Details), "file", info.Path)
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

// setBackground says whether it was news.
func (c *condition) setBackground(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := (c.background == nil) != (err == nil)
	c.background, c.seen = err, time.Now()
	return news
}

// wroteTables notes that a memtable was written, and reports whether that was news.
func (c *condition) wroteTables() bool {
	c.mu.Lock()
	c.flush = attempt{}
	c.mu.Unlock()
	return c.setBackground(nil)
}

// why is what stands against taking events now, or what is taken from the reserve.
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

// Failed is closed when the engine is dead for good.
func (e *Engine) Failed() <-chan struct{} { return e.state.failed }

// Health is why the engine cannot serve now.
func (e *Engine) Health() error { return e.state.why(false) }

// Admit refuses events while the disk cannot take them, before they wait for it. What is taken from the reserve it refuses only
// when that is used up.
func (e *Engine) Admit(fromReserve bool) error {
	err := e.state.why(fromReserve)
	if err != nil && fromReserve && !e.state.dead() {
		e.state.checkSpace() // a start, or a compaction, may have removed files since the last look
		err = e.state.why(fromReserve)
	}
	return err
}

// keepEvery is how often retention, the folder and free space are looked at.
const keepEvery = time.Second

// watch looks at the folder and the disk, until Close. It waits for nothing that a full disk may hold up.
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

// keep drops what is over, until Close.
func (e *Engine) keep() {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for ticks := 0; ; {
		select {
		case <-e.quit:
			return
		case <-e.kick:
		case <-tick.C:
			ticks++
			if err := e.keepClock(); err != nil && !e.state.dead() {
				e.options.Logger.Error("storing the log's time", "cause", err)
			}
		}
		err := e.Retain()
		if ticks == answersEvery {
			ticks, err = 0, errors.Join(err, e.dropAnswers())
		}
		if err != nil && !e.state.dead() {
			e.options.Logger.Error("dropping old events", "cause", err)
		}
	}
}
