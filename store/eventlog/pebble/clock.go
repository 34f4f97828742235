package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// anchorEvery is the time between anchors of an idle log. A busy log stores one every second.
const anchorEvery = time.Minute

// lostMost bounds what a power cut may take with the durability `process`: what the kernel has not written by itself,
// which takes it half a minute, and the age of the newest anchor on the disk.
const lostMost = 2 * time.Minute

// Clock is the log's clock.
func (e *Engine) Clock() *eventlog.Clock { return e.clock }

// loadClock goes on with the time of the earlier runs.
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

// value is a copy of a key's value, or nil if there is none.
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

// keepClock stores a new anchor if there were commits, the old one is old, or the wall clock was stepped.
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

// lastAnchor stores the anchor of the end. It has no Slack, as nothing can be lost.
func (e *Engine) lastAnchor() error {
	if e.state.why(true) != nil {
		return nil
	}
	return e.setAnchor(e.clock.Anchor())
}

// Oldest is an id before which no event is retained, math.MaxUint64 if none is. It is 0 while there are keyed spaces, since
// it does not look at the ids of their entries.
func (e *Engine) Oldest() (oldest uint64, err error) {
	if err := e.begin(); err != nil {
		return 0, err
	}
	defer e.using.RUnlock()
	iter, err := e.db.NewIter(nil)
	if err != nil {
		return 0, fmt.Errorf("looking for the oldest event: %w", err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	e.mu.RLock()
	defer e.mu.RUnlock()
	oldest = math.MaxUint64
	for name, s := range e.spaces {
		if eventlog.IsKeyed(name) {
			return 0, nil
		}
		r := &reader{iter: iter, space: s.number}
		if iter.SeekGE(logKey(nil, s.number, s.removed+1)) {
			if id, ok := r.logID(); ok {
				oldest = min(oldest, id)
			}
		}
	}
	return oldest, iter.Error()
}
