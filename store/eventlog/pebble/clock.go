package pebble

import (
	"bytes"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// anchorEvery is how long an idle log goes without a new anchor. A busy one has one a second.
const anchorEvery = time.Minute

// lostMost is what a power cut may take in the durability `process`: what the kernel had not written by itself, for which
// it takes half a minute, and the time that the newest anchor on the disk is older.
const lostMost = 2 * time.Minute

// Clock is the engine's time.
func (e *Engine) Clock() *eventlog.Clock { return e.clock }

// loadClock goes on with the time of the runs before.
func (e *Engine) loadClock(last uint64) error {
	v, err := e.value(anchorKey)
	if err != nil {
		return err
	}
	anchor, err := eventlog.ReadAnchor(v)
	if err != nil {
		return err
	}
	e.clock = eventlog.NewClock(e.options.Source, last, anchor)
	if v, err = e.value(marksKey); err != nil {
		return err
	}
	return e.clock.SetMarks(v)
}

// value is a copy of what a key has, nil where there is none.
func (e *Engine) value(key []byte) ([]byte, error) {
	v, closer, err := e.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return bytes.Clone(v), nil
}

func (e *Engine) newAnchor() eventlog.Anchor {
	a := e.clock.Anchor()
	if e.options.Durability == Process {
		a.Slack = lostMost.Microseconds()
	}
	return a
}

// keepClock stores an anchor where there is news: of the log, or of the wall clock, which was stepped.
func (e *Engine) keepClock() error {
	e.clock.Wake()
	old := e.clock.Age(e.anchor.At) >= anchorEvery
	if e.state.why(true) != nil || !e.news.Load() && !old && !e.clock.Strays(&e.anchor) {
		return nil
	}
	e.news.Store(false)
	return e.setAnchor(e.newAnchor())
}

func (e *Engine) setAnchor(a eventlog.Anchor) error {
	b := e.db.NewBatch()
	defer b.Close()
	if err := b.Set(anchorKey, a.Append(nil), nil); err != nil {
		return err
	}
	if err := e.commit(b); err != nil {
		return err
	}
	e.anchor = a
	return nil
}

// lastAnchor stores the one of the end: nothing is lost with it.
func (e *Engine) lastAnchor() error {
	if e.state.why(true) != nil {
		return nil
	}
	return e.setAnchor(e.clock.Anchor())
}

// Oldest is an id that no event is retained before; 0 while there are keyed ones, whose ids are not looked at.
func (e *Engine) Oldest() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	oldest := e.clock.Now()
	for _, s := range e.spaces {
		if len(s.segments) == 0 {
			return 0
		}
		oldest = min(oldest, s.segments[0].first)
	}
	return oldest
}
