package pebble

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// A batch can be seen as soon as Pebble has it in memory, and is acknowledged only once the disk has it. Whoever looked at
// rows in between would have to wait for the disk. So while a commit is under way, views show what was before it: of a group
// with rows by a snapshot, which costs 3 µs, and of one without by the position alone.

// moment is a snapshot that some share. Its uses are guarded by Engine.viewing.
type moment struct {
	*pebble.Snapshot
	position uint64 // where it is not the snapshot's own; else 0
	uses     int
}

// before keeps what is before a commit until it calls the func that it returns.
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

// show is the moment that views show; it is to be released.
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

// commitShowingBefore commits a batch up to a position; who looks meanwhile sees what was before it.
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
