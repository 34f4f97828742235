package pebble

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sluice/broker/eventlog"
)

// condition is whether the disk takes what is written. It is Pebble's Logger, since a WAL or MANIFEST
// that cannot be written comes to us as a call of Fatalf and never as an error.
type condition struct {
	options Options
	failed  chan struct{}
	quit    <-chan struct{} // closed when the engine is closing
	running atomic.Bool     // it is open

	mu         sync.Mutex
	reason     error     // why it is dead for good
	background error     // of a write that is tried again
	seen       time.Time // when it was last met
	space      error     // too little is free
}

// quiet is how long a write that failed must not have failed again to be taken for healed. Pebble tries
// a flush 100 times a second, and untilRoom 20 times. A flush that works tells it at once; what else may
// fail (a compaction, a look at the free space) has nothing to tell it.
const quiet = 10 * time.Second

func newCondition(o Options, quit <-chan struct{}) *condition {
	return &condition{options: o, failed: make(chan struct{}), quit: quit}
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
		if c.options.Fatal != nil {
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
			if c.setBackground(err) {
				c.options.Logger.Error("the log cannot write to the disk; publishes are refused until it can", "cause", err)
			}
		},
		// Left alone, it would end the process: a client that reads there could do that again and again.
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			c.options.Logger.Error("the log is damaged; what lies there cannot be read", "cause", info.Details, "file", info.Path)
		},
		FlushEnd: func(info pebble.FlushInfo) {
			if info.Err == nil && c.setBackground(nil) {
				c.options.Logger.Info("the log can write to the disk again")
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

// why is what stands against taking events now.
func (c *condition) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.reason != nil:
		return c.reason
	case c.space != nil:
		return c.space
	case c.background != nil && time.Since(c.seen) < quiet:
		return fmt.Errorf("the disk of %s cannot be written to: %w", c.options.Dir, c.background)
	}
	return nil
}

// reserve is the free space that must stay: what memtables and a compaction may still need.
func (c *condition) reserve(total uint64) uint64 {
	if c.options.Reserve > 0 {
		return uint64(c.options.Reserve)
	}
	return min(128<<20, total/20)
}

// checkSpace looks at the free space; a file system that cannot tell is taken to have enough.
func (c *condition) checkSpace() error {
	usage, err := c.options.FS.GetDiskUsage(c.options.Dir)
	var low error
	if err == nil {
		if need := c.reserve(usage.TotalBytes); usage.AvailBytes < need {
			low = fmt.Errorf("%w: %d MiB are free for %s and %d MiB must stay so; make room, or lower RETAIN_BYTES or RETAIN_AGE",
				eventlog.ErrDiskFull, usage.AvailBytes>>20, c.options.Dir, need>>20)
		}
	}
	c.mu.Lock()
	news := (c.space == nil) != (low == nil)
	c.space = low
	c.mu.Unlock()
	if news && low != nil {
		c.options.Logger.Error("publishes are refused", "cause", low)
	} else if news {
		c.options.Logger.Info("there is room on the disk again")
	}
	return low
}

func (c *condition) checkStart() error {
	if err := c.checkSpace(); err != nil {
		return fmt.Errorf("not starting: %w", err)
	}
	return nil
}

// Failed is closed when the engine is dead for good.
func (e *Engine) Failed() <-chan struct{} { return e.state.failed }

// Health is why the engine cannot serve now.
func (e *Engine) Health() error { return e.state.why() }

// Admit refuses events while the disk cannot take them, before they wait for it.
func (e *Engine) Admit() error { return e.state.why() }

// keepEvery is how often retention and free space are looked at.
const keepEvery = time.Second

// keep drops what is over and looks at the disk, until Close.
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
			if err := e.folder.check(); err != nil {
				e.state.Fatalf("%v", err)
			}
			if err := e.state.checkSpace(); err != nil {
				e.options.Logger.Debug("still no room", "cause", err)
			}
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
