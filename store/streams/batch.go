package streams

import (
	"context"
	"errors"
	"iter"

	"sluice/store/eventlog"
)

// cursor is where an edit goes on: behind an event of a stream. It saves reading again what was removed.
type cursor struct {
	stream string
	after  uint64
}

// batch collects what one commit of an edit changes.
type batch struct {
	catalog *Catalog
	name    string // of the database
	id      string
	edit    *edit
	at      cursor
	remove  []eventlog.Event
	replace []eventlog.Replacement
	rows    []eventlog.Row
	count   int
	bytes   int64
	freed   int64 // bytes of events
}

// errBatch ends collecting, as the commit has as much as it may have.
var errBatch = errors.New("the commit is full")

// gather collects what the edit has to change next. It reports whether that is all.
func (b *batch) gather(ctx context.Context) (all bool, err error) {
	err = b.events(ctx)
	if err == nil {
		err = b.annotations()
	}
	if errors.Is(err, errBatch) {
		return false, nil
	}
	return err == nil, err
}

// changes is the edit of the log, or nil.
func (b *batch) changes() *eventlog.Edit {
	if len(b.remove)+len(b.replace) == 0 {
		return nil
	}
	return &eventlog.Edit{Remove: b.remove, Replace: b.replace, Freed: b.freed}
}

// take makes room for one more change, or returns errBatch.
func (b *batch) take(size int64) error {
	if b.count == editMost || b.count > 0 && b.bytes+size > editBytes {
		return errBatch
	}
	b.count++
	b.bytes += size
	return nil
}

func (b *batch) events(ctx context.Context) error {
	if b.edit.Stream != "" {
		return b.stream(ctx, b.edit.Stream, b.at.after)
	}
	if b.at.stream != "" {
		if err := b.stream(ctx, b.at.stream, b.at.after); err != nil {
			return err
		}
	}
	return b.catalog.each(ctx, b.name, b.edit.Namespace, b.at.stream, func(s eventlog.StreamState) error {
		return b.stream(ctx, s.Stream, 0)
	})
}

func (b *batch) stream(ctx context.Context, mapped string, after uint64) error {
	return b.catalog.events(ctx, b.name, mapped, after, func(e *eventlog.Event) error {
		err := b.event(e)
		if err == nil {
			b.at = cursor{mapped, e.ID}
		}
		return err
	})
}

// event adds the change of an event.
func (b *batch) event(old *eventlog.Event) error {
	weight := b.catalog.log.Weight(old)
	if b.edit.removes() {
		old.Data, old.Meta = nil, nil
		if err := b.take(sizeOf(old)); err != nil {
			return err
		}
		b.freed += weight
		b.remove = append(b.remove, *old)
		return nil
	}
	by, err := renamed(old, b.edit.To)
	if err != nil {
		return err
	}
	old.Data, old.Meta = nil, nil // only by needs them
	if err := b.take(sizeOf(old) + sizeOf(&by)); err != nil {
		return err
	}
	b.freed += weight - b.catalog.log.Weight(&by)
	b.replace = append(b.replace, eventlog.Replacement{Old: *old, New: by})
	return nil
}

func (b *batch) annotations() error {
	if b.edit.Stream == "" {
		return b.catalog.annotations(b.id, b.edit.Namespace, b.annotation)
	}
	key := annotationKey(b.id, b.edit.Stream)
	text, err := b.catalog.log.Row(key)
	if err == nil && text != nil {
		err = b.annotation(eventlog.Row{Key: key, Value: text})
	}
	return err
}

// annotation adds the change of an annotation.
func (b *batch) annotation(old eventlog.Row) error {
	gone := eventlog.Row{Key: old.Key}
	if b.edit.removes() {
		err := b.take(weightOf(gone))
		if err == nil {
			b.rows = append(b.rows, gone)
		}
		return err
	}
	by, err := reannotated(b.id, b.edit.To, old)
	if err == nil {
		err = b.take(weightOf(gone) + weightOf(by))
	}
	if err == nil {
		b.rows = append(b.rows, gone, by)
	}
	return err
}

// fill is how many of some events, at least one, one request may have.
func fill(events []eventlog.Event) int {
	size := int64(rowWeight)
	for n := range events {
		if size += sizeOf(&events[n]); n > 0 && size > editBytes {
			return n
		}
	}
	return len(events)
}

// sizeOf is the size of an event in a request, with its names.
func sizeOf(e *eventlog.Event) int64 {
	return int64(e.Size() + len(e.Space) + len(e.Name) + len(e.Stream))
}

// batches splits rows into parts for one request each.
func batches(rows []eventlog.Row) iter.Seq[[]eventlog.Row] {
	return func(yield func([]eventlog.Row) bool) {
		for len(rows) > 0 {
			n, size := 0, int64(0)
			for n < len(rows) && n < editMost && (n == 0 || size+weightOf(rows[n]) <= editBytes) {
				size += weightOf(rows[n])
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// events calls f for each event of a stream after a position.
func (c *Catalog) events(ctx context.Context, name, mapped string, after uint64, f func(*eventlog.Event) error) error {
	for last := c.log.Settled(); after < last; {
		p, err := c.log.Read(ctx, query(name, mapped), after, 1000)
		if err != nil {
			return err
		}
		for i := range p.Events {
			if err := f(&p.Events[i]); err != nil {
				return err
			}
		}
		after = p.Reached
	}
	return nil
}
