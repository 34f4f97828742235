package pebble

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Pebble shows a batch as soon as it is in memory, but the batch is acknowledged only when it is on the disk. A reader
// that saw rows in between would have to wait for the disk. So during a commit, views show the state before it. If the
// group has rows, they use a snapshot from before the commit, which costs 3 µs. If it has none, only the position is
// the old one.

// moment is a snapshot that several views share. Engine.viewing guards its uses.
type moment struct {
	*pebble.Snapshot
	position uint64 // if it is not the one in the snapshot; else 0
	uses     int
}

// before makes views show the state before a commit, until the caller calls after.
func (e *Engine) before(rows bool) (after func() error) {
	e.viewing.Lock()
	defer e.viewing.Unlock()
	e.committing = true
	var m *moment
	if rows {
		m = &moment{Snapshot: e.db.NewSnapshot(), uses: 1}
		e.shown = m
	}
	return func() error {
		e.viewing.Lock()
		e.shown, e.committing = nil, false
		e.viewing.Unlock()
		if m == nil {
			return nil
		}
		return e.release(m)
	}
}

// show returns the moment that a new view shows. The caller must release it.
func (e *Engine) show() *moment {
	e.viewing.Lock()
	defer e.viewing.Unlock()
	if e.shown != nil {
		e.shown.uses++
		return e.shown
	}
	m := &moment{Snapshot: e.db.NewSnapshot(), uses: 1}
	if e.committing {
		m.position = e.committed
	}
	return m
}

func (e *Engine) release(m *moment) error {
	e.viewing.Lock()
	m.uses--
	last := m.uses == 0
	e.viewing.Unlock()
	if !last {
		return nil
	}
	return m.Close()
}

// commitShowingBefore commits a batch up to a position. Until it returns, views show the state before it.
func (e *Engine) commitShowingBefore(b *pebble.Batch, rows bool, position uint64) error {
	after := e.before(rows)
	err := e.commit(b)
	if err == nil {
		e.viewing.Lock()
		e.committed = position
		e.viewing.Unlock()
	}
	return errors.Join(err, after())
}
