package pebble

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// A batch can be seen as soon as Pebble has it in memory, and is acknowledged only once the disk has it. Whoever looked at
// rows in between would have to wait for the disk. So while a commit is under way, views show what was before it.

// moment is a snapshot that some share. Its uses are guarded by Engine.viewing.
type moment struct {
	*pebble.Snapshot
	uses int
}

// before keeps the moment before a commit until it calls the func that it returns.
func (e *Engine) before() (after func() error) {
	e.viewing.Lock()
	defer e.viewing.Unlock()
	m := &moment{e.db.NewSnapshot(), 1}
	e.shown = m
	return func() error {
		e.viewing.Lock()
		e.shown = nil
		e.viewing.Unlock()
		return e.release(m)
	}
}

// show is the moment that views show; it is to be released.
func (e *Engine) show() *moment {
	e.viewing.Lock()
	defer e.viewing.Unlock()
	if e.shown == nil {
		return &moment{e.db.NewSnapshot(), 1}
	}
	e.shown.uses++
	return e.shown
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

// commitShowingBefore commits a batch; who looks meanwhile sees what was before it.
func (e *Engine) commitShowingBefore(b *pebble.Batch) (err error) {
	after := e.before()
	defer func() { err = errors.Join(err, after()) }()
	return e.commit(b)
}
