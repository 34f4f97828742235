package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// expired is the highest id that is older than the retention's age.
func (e *Engine) expired(r eventlog.Retention) uint64 {
	if r.Age == 0 {
		return 0
	}
	return e.clock.Before(time.Duration(r.Age) * time.Microsecond)
}

// Kicked has a token when a space exceeds its bytes, or the disk is full.
func (e *Engine) Kicked() <-chan struct{} { return e.kick }

// Trims returns the cuts that are due: a whole segment that is over the bytes or too old, or within a segment what is too
// old by more than a part of the age.
func (e *Engine) Trims(ctx context.Context) ([]eventlog.Trim, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.using.RUnlock()
	var trims []eventlog.Trim
	for _, name := range e.names() {
		r := e.options.Retain(name)
		if r == (eventlog.Retention{}) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		id, err := e.due(name, r)
		if err != nil {
			return nil, err
		}
		if id > 0 {
			trims = append(trims, eventlog.Trim{Space: name, ID: id})
		}
	}
	return trims, nil
}

func (e *Engine) names() []string {
	e.mu.RLock()
	defer e.mu.RUnlock()
	names := make([]string, 0, len(e.spaces))
	for name := range e.spaces {
		names = append(names, name)
	}
	return names
}

// due is the id up to which a space is to be cut now, or 0. The open segment is never over the bytes.
func (e *Engine) due(name string, r eventlog.Retention) (id uint64, err error) {
	expired := e.expired(r)
	e.mu.RLock()
	s := e.spaces[name]
	if s == nil || len(s.segments) == 0 {
		e.mu.RUnlock()
		return 0, nil
	}
	number, removed, oldest := s.number, s.removed, s.segments[0]
	for bytes, rest := s.bytes(), s.segments; len(rest) > 1 && (r.Bytes > 0 && bytes > r.Bytes || rest[0].last <= expired); rest = rest[1:] {
		id = rest[0].last
		bytes -= rest[0].bytes
	}
	last := s.segments[len(s.segments)-1].last
	e.mu.RUnlock()
	from := max(removed, id, oldest.first-1)
	if r.Age == 0 || from >= last || expired < from+uint64(r.Age/parts) {
		return id, nil
	}
	old, err := e.lastUpTo(number, expired)
	return max(id, old), err
}

// lastUpTo is the id of the last event up to an id, or 0.
func (e *Engine) lastUpTo(space uint32, id uint64) (last uint64, err error) {
	iter, err := e.db.NewIter(nil)
	if err != nil {
		return 0, fmt.Errorf("looking for old events: %w", err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	r := &reader{iter: iter, space: space}
	if iter.SeekLT(logKey(nil, space, id+1)) {
		last, _ = r.logID()
	}
	return last, iter.Error()
}

// trim cuts a space. It moves the floor in memory first, so a reader never misses events without seeing a gap. A segment
// is deleted when all of it is cut, but the open one always stays: readers skip its events up to the floor.
func (w *writer) trim(t eventlog.Trim) error {
	e := w.engine
	e.mu.Lock()
	s := e.spaces[t.Space]
	if s == nil || len(s.segments) == 0 || t.ID <= s.removed && s.segments[0].number == 0 {
		e.mu.Unlock()
		return nil
	}
	s.removed = max(s.removed, t.ID)
	n := 0
	for n < len(s.segments)-1 && s.segments[n].last <= s.removed {
		n++
	}
	s.segments = slices.Clone(s.segments[n:])
	number, floor, first := s.number, s.removed, s.segments[0]
	e.mu.Unlock()
	err := w.batch.Set(floorKey(number), appendUint64(nil, floor), nil)
	if first.number == 0 {
		return err
	}
	// All before the first segment, as a commit that failed may have left more than this cut.
	for _, kind := range [...]byte{keyChannel, keyStream} {
		err = errors.Join(err, w.batch.DeleteRange(segmentKey(nil, kind, number, 0), segmentKey(nil, kind, number, first.number), nil))
	}
	return errors.Join(err,
		w.batch.DeleteRange(logKey(nil, number, 0), logKey(nil, number, first.first), nil),
		w.batch.DeleteRange(segmentRowKey(number, 0), segmentRowKey(number, first.number), nil))
}

const (
	answerLife   = 2 * time.Minute
	answersEvery = 30 // seconds
)

// dropAnswers deletes the idempotency answers that are expired by the time of the last commit, with one range delete. If there are none, it writes nothing, so
// that an idle log does not write.
func (e *Engine) dropAnswers() error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	at := e.Stored().At
	limit := at - min(at, uint64(answerLife.Microseconds()))
	iter, err := e.db.NewIter(&pebble.IterOptions{LowerBound: answerKey(nil, 0), UpperBound: answerKey(nil, limit)})
	if err != nil {
		return fmt.Errorf("looking for old answers: %w", err)
	}
	some := iter.First()
	if err := errors.Join(iter.Error(), iter.Close()); err != nil || !some {
		return err
	}
	if err := e.db.DeleteRange(answerKey(nil, 0), answerKey(nil, limit), pebble.Sync); err != nil {
		return fmt.Errorf("dropping old answers: %w", err)
	}
	return nil
}
