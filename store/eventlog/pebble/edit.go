package pebble

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sluice/store/eventlog"
)

// edit writes an edit to the batch. An edit is a commit of its own, so no event of the batch has changed the spaces.
func (w *writer) edit(edit *eventlog.Edit) error {
	var err error
	var at *location // of the last event that is removed; nil if all were gone
	for i := range edit.Remove {
		p, there, rerr := w.remove(&edit.Remove[i])
		if err = errors.Join(err, rerr); there {
			at = &p
		}
	}
	for i := range edit.Replace {
		err = errors.Join(err, w.replace(&edit.Replace[i].Old, &edit.Replace[i].New))
	}
	if edit.Freed != 0 {
		err = errors.Join(err, w.free(edit, at))
	}
	for _, name := range edit.Drop {
		err = errors.Join(err, w.dropSpace(name))
	}
	if from, to := edit.Rename[0], edit.Rename[1]; from != "" && from != to {
		if number, known := w.engine.number(from); known {
			err = errors.Join(err, w.dropSpace(to), w.batch.Delete(spaceKey(from), nil), w.batch.Set(spaceKey(to), appendUint32(nil, number), nil))
		}
	}
	for _, prefix := range edit.DropRows {
		key := rowKey(prefix)
		err = errors.Join(err, w.batch.DeleteRange(key, past(key), nil))
	}
	for _, t := range edit.Trim {
		err = errors.Join(err, w.trim(t))
	}
	return err
}

// free subtracts the bytes that an edit removes. A space with retention has several segments; the one event that may be
// removed there was at a location. Removals of what was gone already free nothing.
func (w *writer) free(edit *eventlog.Edit, at *location) error {
	if edit.Removes() && at == nil {
		return nil
	}
	for name := range edit.Spaces() {
		if _, known := w.engine.number(name); !known {
			continue
		}
		s, err := w.space(name)
		if err != nil {
			return err
		}
		segments, _ := w.engine.segments(name)
		if i := slices.IndexFunc(segments, func(seg segment) bool { return at != nil && seg.number == at.segment }); i >= 0 && i < len(segments)-1 {
			s.older = &segments[i]
			s.older.bytes -= edit.Freed
			continue
		}
		s.segment.bytes -= edit.Freed
	}
	return nil
}

// find returns where an event is stored, and its names there, which may be newer than those that the caller has read. It
// returns nil if the event is gone.
func (e *Engine) find(ev *eventlog.Event) (p location, stored *eventlog.Event, err error) {
	number, known := e.number(ev.Space)
	segments, removed := e.segments(ev.Space)
	if !known || ev.ID <= removed {
		return p, nil, nil
	}
	record, err := e.value(logKey(nil, number, ev.ID))
	if err != nil || record == nil {
		return p, nil, err
	}
	head, _, err := cutRecord(record)
	if err != nil {
		return p, nil, err
	}
	stored = &eventlog.Event{ID: ev.ID, Space: ev.Space}
	readNames(head, stored)
	for _, s := range segments {
		if s.first <= ev.ID && ev.ID <= s.last {
			return location{number, s.number}, stored, nil
		}
	}
	return p, nil, errRecord
}

// remove deletes an event's record and index rows. The segment's count does not change: it is only for estimates. It
// returns where the event was, or false if it was gone already.
func (w *writer) remove(e *eventlog.Event) (location, bool, error) {
	p, stored, err := w.engine.find(e)
	if err != nil || stored == nil {
		return p, false, err
	}
	err = errors.Join(
		w.batch.Delete(logKey(nil, p.space, e.ID), nil),
		w.batch.Delete(appendUint64(channelKey(nil, p.space, p.segment, stored.Channel()), e.ID), nil))
	if stored.Stream != "" {
		err = errors.Join(err, w.batch.Delete(appendUint64(streamKey(nil, p.space, p.segment, stored.Stream), e.ID), nil))
	}
	if stored.Key != "" {
		err = errors.Join(err, w.batch.Delete(uniqueKey(nil, p.space, stored.Stream, stored.Key), nil))
	}
	return p, true, err
}

func (w *writer) replace(old, by *eventlog.Event) error {
	p, there, err := w.remove(old)
	if err != nil || !there {
		return err
	}
	return errors.Join(w.batch.Set(logKey(nil, p.space, by.ID), appendRecord(nil, by), nil), w.channel(p, by), w.stream(p, by))
}

func (w *writer) dropSpace(name string) error {
	number, known := w.engine.number(name)
	if !known {
		return nil
	}
	if eventlog.IsKeyed(name) {
		return errors.Join(w.batch.Delete(spaceKey(name), nil), w.dropEntries(number))
	}
	err := errors.Join(w.batch.Delete(spaceKey(name), nil), w.batch.Delete(floorKey(number), nil))
	for _, kind := range [...]byte{keyLog, keyChannel, keyStream, keyUnique} {
		err = errors.Join(err, w.batch.DeleteRange(appendUint32([]byte{kind}, number), appendUint32([]byte{kind}, number+1), nil))
	}
	return errors.Join(err, w.batch.DeleteRange(segmentRowKey(number, 0), segmentRowKey(number+1, 0), nil))
}

// edited applies a committed edit to the state in memory.
func (e *Engine) edited(edit *eventlog.Edit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range edit.Drop {
		delete(e.spaces, name)
	}
	if s := e.spaces[edit.Rename[0]]; s != nil && edit.Rename[0] != "" {
		delete(e.spaces, s.name)
		s.name = edit.Rename[1]
		e.spaces[s.name] = s
	}
}

// Row is the value of a row.
func (e *Engine) Row(key string) ([]byte, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.using.RUnlock()
	value, err := get(e.db, rowKey(key))
	if err != nil {
		return nil, fmt.Errorf("reading a row: %w", err)
	}
	return value, nil
}

// Rows calls f for each row whose key begins with prefix.
func (e *Engine) Rows(prefix string, f func(eventlog.Row) error) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.using.RUnlock()
	return e.each(rowKey(prefix), func(rest, value []byte) error {
		return f(eventlog.Row{Key: prefix + string(rest), Value: bytes.Clone(value)})
	})
}

// Find is the id of the event with a key in a stream.
func (e *Engine) Find(space, stream, key string) (uint64, error) {
	if err := e.begin(); err != nil {
		return 0, err
	}
	defer e.using.RUnlock()
	number, known := e.number(space)
	if !known {
		return 0, nil
	}
	id, err := e.getUint64(uniqueKey(nil, number, stream, key))
	if err != nil {
		return 0, fmt.Errorf("looking up a key: %w", err)
	}
	if _, removed := e.segments(space); id <= removed {
		return 0, nil
	}
	return id, nil
}

// streamSteps is how many index rows one iterator reads before a new one replaces it. An open iterator prevents Pebble
// from freeing memtables and deleted files.
const streamSteps = 100_000

// Streams counts the rows of the index. A space without retention has one segment.
func (e *Engine) Streams(ctx context.Context, space, prefix, after string, limit int) ([]eventlog.StreamState, error) {
	if err := e.begin(); err != nil {
		return nil, err
	}
	defer e.using.RUnlock()
	number, known := e.number(space)
	segments, _ := e.segments(space)
	if !known || len(segments) == 0 {
		return nil, nil
	}
	base := segmentKey(nil, keyStream, number, segments[len(segments)-1].number)
	within := appendOpenText(slices.Clone(base), prefix)
	from := within
	if after >= prefix && after != "" {
		from = past(appendText(slices.Clone(base), after))
	}
	c := streamCounter{ctx: ctx, base: base, within: within, limit: limit}
	for {
		next, err := c.step(e.db, from)
		if err != nil || next == nil {
			return c.found, err
		}
		from = next
	}
}

// streamCounter is one call of Streams.
type streamCounter struct {
	ctx          context.Context
	base, within []byte
	limit        int
	found        []eventlog.StreamState
}

// step counts on with one iterator. It returns the key to go on from, or nil at the end.
func (c *streamCounter) step(db *pebble.DB, from []byte) (next []byte, err error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	iter, err := db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: past(c.within)})
	if err != nil {
		return nil, fmt.Errorf("counting streams: %w", err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	steps := 0
	for ok := iter.First(); ok; ok = iter.Next() {
		if steps++; steps > streamSteps {
			return slices.Clone(iter.Key()), nil
		}
		stream, rest, whole := cutText(iter.Key()[len(c.base):])
		if !whole || len(rest) != 8 {
			return nil, errRecord
		}
		id := binary.BigEndian.Uint64(rest)
		last := len(c.found) - 1
		switch {
		case last >= 0 && c.found[last].Stream == stream:
			c.found[last].Last = id
			c.found[last].Count++
		case len(c.found) == c.limit:
			return nil, nil
		default:
			c.found = append(c.found, eventlog.StreamState{Stream: stream, First: id, Last: id, Count: 1})
		}
	}
	return nil, iter.Error()
}
