package pebble

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// Commit stores a group in one batch.
func (e *Engine) Commit(g *eventlog.Group) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	if g.Run != nil { // positions after it that a power cut takes are reported as lost, so the run itself must survive
		e.state.syncing.Store(true)
		defer e.state.syncing.Store(false)
	}
	size := 64
	for i := range g.Events {
		size += 2*len(g.Events[i].Data) + 160
	}
	b := e.db.NewBatchWithSize(size)
	defer b.Close()
	w := writer{engine: e, batch: b, open: map[string]*openSpace{}}
	if g.Edit != nil {
		if err := w.edit(g.Edit); err != nil {
			return fmt.Errorf("editing: %w", err)
		}
	}
	// Write all records, then all index rows. Neighbours in the batch are then neighbours in the memtable, which finds
	// the next position from the last one.
	w.locations = make([]location, len(g.Events))
	for i := range g.Events {
		if err := w.event(i, &g.Events[i]); err != nil {
			return fmt.Errorf("writing event %d: %w", g.Events[i].ID, err)
		}
	}
	var err error
	for i := range g.Events {
		if g.Events[i].Op == 0 {
			err = errors.Join(err, w.channel(w.locations[i], &g.Events[i]))
		}
	}
	for i := range g.Events {
		if g.Events[i].Op == 0 {
			err = errors.Join(err, w.stream(w.locations[i], &g.Events[i]))
		}
	}
	for i := range g.Rows {
		err = errors.Join(err, w.row(&g.Rows[i]))
	}
	for i := range g.Answers {
		a := &g.Answers[i]
		w.key = answerKey(w.key[:0], a.First)
		w.value = appendAnswer(w.value[:0], a)
		err = errors.Join(err, b.Set(w.key, w.value, nil))
	}
	if g.Marks != nil {
		err = errors.Join(err, b.Set(marksKey, g.Marks, nil))
	}
	err = errors.Join(err, w.rows(), w.run(g.Run), b.Set(lastKey, appendApplied(w.value[:0], g.Applied), nil))
	if err != nil {
		return fmt.Errorf("writing a group: %w", err)
	}
	if err := e.commitShowingBefore(b, len(g.Rows) > 0 || g.Edit != nil, g.Last); err != nil {
		return err
	}
	w.settle()
	e.settled(g)
	if g.Edit != nil {
		e.edited(g.Edit)
	}
	return nil
}

func (e *Engine) commit(b *pebble.Batch) error {
	n := b.Len()
	e.set.commits.RLock()
	defer e.set.commits.RUnlock()
	var c changes
	reclaims := e.state.reclaims()
	if reclaims || e.set.watching {
		c = changesBy(b)
	}
	if e.set.watching {
		e.set.note(c.set, c.all)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("%w: committing: %w", eventlog.ErrUnavailable, err)
	}
	if e.state.dead() {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, eventlog.ErrUnknown)
	}
	if reclaims {
		e.deleted.note(c.deleted)
	}
	e.state.wrote(n)
	return nil
}

// settled notes what a commit has stored.
func (e *Engine) settled(g *eventlog.Group) {
	e.news.Store(true)
	e.mu.Lock()
	e.stored = g.Applied
	e.mu.Unlock()
	if g.Run != nil {
		e.addRun(*g.Run)
	}
}

// writer is one commit under way. It counts segments on copies until the batch is committed.
type writer struct {
	engine     *Engine
	batch      *pebble.Batch
	open       map[string]*openSpace
	locations  []location
	key, value []byte
}

// location is where an event is stored.
type location struct{ space, segment uint32 }

type openSpace struct {
	space    *space
	made     bool
	retain   eventlog.Retention
	segment  segment
	finished []segment
	older    *segment // one before them that an edit has changed, or nil
}

func (w *writer) event(i int, e *eventlog.Event) error {
	s, err := w.space(e.Space)
	if err != nil {
		return err
	}
	if e.Op != 0 {
		return w.entry(s, e)
	}
	size := recordSize(e)
	if done := s.segment.put(e, w.engine.Weight(e), s.retain); done != nil {
		s.finished = append(s.finished, *done)
	}
	w.locations[i] = location{s.space.number, s.segment.number}
	op := w.batch.SetDeferred(1+4+8, size)
	logKey(op.Key[:0], s.space.number, e.ID)
	appendRecord(op.Value[:0], e)
	return op.Finish()
}

func (w *writer) channel(p location, e *eventlog.Event) error {
	w.key = appendUint64(channelKey(w.key[:0], p.space, p.segment, e.Channel()), e.ID)
	return w.batch.Set(w.key, nil, nil)
}

func (w *writer) stream(p location, e *eventlog.Event) error {
	if e.Stream != "" {
		w.key = appendUint64(streamKey(w.key[:0], p.space, p.segment, e.Stream), e.ID)
		if err := w.batch.Set(w.key, nil, nil); err != nil {
			return err
		}
	}
	if e.Key == "" {
		return nil
	}
	w.key = uniqueKey(w.key[:0], p.space, e.Stream, e.Key)
	return w.batch.Set(w.key, appendUint64(w.value[:0], e.ID), nil)
}

func (w *writer) row(r *eventlog.Row) error {
	if r.Value == nil {
		return w.batch.Delete(rowKey(r.Key), nil)
	}
	return w.batch.Set(rowKey(r.Key), r.Value, nil)
}

func (w *writer) space(name string) (*openSpace, error) {
	if s := w.open[name]; s != nil {
		return s, nil
	}
	e := w.engine
	e.mu.RLock()
	found, next := e.spaces[name], e.next
	s := &openSpace{space: found}
	if found != nil && len(found.segments) > 0 {
		s.segment = found.segments[len(found.segments)-1]
	}
	e.mu.RUnlock()
	s.retain = e.options.Retain(name)
	if found == nil {
		for _, o := range w.open {
			if o.made {
				next++
			}
		}
		s.space, s.made = &space{name: name, number: next}, true
		if err := w.batch.Set(spaceKey(name), appendUint32(nil, next), nil); err != nil {
			return nil, err
		}
	}
	w.open[name] = s
	return s, nil
}

// rows writes the rows of the segments that have changed.
func (w *writer) rows() error {
	var err error
	for _, s := range w.open {
		if s.segment.count == 0 {
			continue // a keyed space has no segments
		}
		if s.older != nil {
			err = errors.Join(err, w.batch.Set(segmentRowKey(s.space.number, s.older.number), s.older.row(), nil))
		}
		for _, seg := range append(s.finished, s.segment) {
			err = errors.Join(err, w.batch.Set(segmentRowKey(s.space.number, seg.number), seg.row(), nil))
		}
	}
	return err
}

// settle applies the counts of the copies to the engine.
func (w *writer) settle() {
	e := w.engine
	over := false
	e.mu.Lock()
	for name, s := range w.open {
		if s.made {
			e.spaces[name] = s.space
			e.next = max(e.next, s.space.number+1)
		}
		if s.segment.count == 0 {
			continue
		}
		if n := len(s.space.segments); n > 0 {
			s.space.segments = s.space.segments[:n-1]
		}
		for i := range s.space.segments {
			if s.older != nil && s.space.segments[i].number == s.older.number {
				s.space.segments[i] = *s.older
			}
		}
		s.space.segments = append(append(s.space.segments, s.finished...), s.segment)
		over = over || s.retain.Bytes > 0 && s.space.bytes() > s.retain.Bytes
	}
	e.mu.Unlock()
	if over {
		e.kickKeep()
	}
}

func (s *space) bytes() int64 {
	n := int64(0)
	for i := range s.segments {
		n += s.segments[i].bytes
	}
	return n
}
