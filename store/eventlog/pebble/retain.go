package pebble

import (
	"errors"
	"fmt"
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

// Retain drops the segments of every space that exceed its age or bytes. The open segment always stays: readers skip
// its expired events.
func (e *Engine) Retain() error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	// One call at a time, so that the floors are written in order.
	e.retaining.Lock()
	defer e.retaining.Unlock()
	var err error
	for _, name := range e.names() {
		r := e.options.Retain(name)
		if r == (eventlog.Retention{}) {
			continue
		}
		for {
			s, floor, ok := e.dropOldest(name, r)
			if !ok {
				break
			}
			if derr := e.deleteSegment(s, floor); derr != nil {
				err = errors.Join(err, fmt.Errorf("dropping a segment: %w", derr))
				break
			}
		}
	}
	return err
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

// dropOldest removes the oldest segment from memory and moves the floor, if the segment exceeds the bounds. Only after
// that is it deleted on the disk, so a reader never misses events without seeing a gap.
func (e *Engine) dropOldest(name string, r eventlog.Retention) (dropped droppedSegment, floor uint64, ok bool) {
	expired := e.expired(r)
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.spaces[name]
	if s == nil || len(s.segments) < 2 {
		return dropped, 0, false
	}
	oldest := s.segments[0]
	if oldest.last > expired && (r.Bytes == 0 || s.bytes() <= r.Bytes) {
		return dropped, 0, false
	}
	s.removed = max(s.removed, oldest.last)
	s.segments = append([]segment(nil), s.segments[1:]...)
	return droppedSegment{s.number, oldest.number}, s.removed, true
}

type droppedSegment struct{ space, number uint32 }

func (e *Engine) deleteSegment(s droppedSegment, floor uint64) error {
	b := e.db.NewBatch()
	defer b.Close()
	var err error
	for _, kind := range [...]byte{keyChannel, keyStream} {
		err = errors.Join(err, b.DeleteRange(segmentKey(nil, kind, s.space, s.number), segmentKey(nil, kind, s.space, s.number+1), nil))
	}
	err = errors.Join(err,
		// From the beginning of the space, to delete what an earlier run may have left.
		b.DeleteRange(logKey(nil, s.space, 0), logKey(nil, s.space, floor+1), nil),
		b.Delete(segmentRowKey(s.space, s.number), nil),
		b.Set(floorKey(s.space), appendUint64(nil, floor), nil))
	if err != nil {
		return err
	}
	return e.commit(b)
}

const (
	answerLife   = 2 * time.Minute
	answersEvery = 30 // seconds
)

// dropAnswers deletes the expired idempotency answers with one range delete. If there are none, it writes nothing, so
// that an idle log does not write.
func (e *Engine) dropAnswers() error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	limit := e.clock.Before(answerLife)
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
