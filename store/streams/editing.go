package streams

import (
	"context"
	"iter"

	"sluice/store/eventlog"
)

// Bounds of one request: how many events it edits, and how many bytes it has, unless one event or row alone has more.
// Larger edits take several commits, so readers may see some of the changes before the others. Appends of every door wait for an edit. One of
// 100,000 events took 0.6 s on a busy machine. One of 64 MiB took a slow disk longer than the log waits for an answer
// (10 s).
const (
	editMost  = 10_000
	editBytes = 8 << 20
)

// fill is how many of some events, at least one, one request may have.
func fill(events []eventlog.Event) int {
	size := int64(0)
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

// batches splits rows into parts for one request each. The first request has used bytes already, so its part may be
// empty.
func batches(rows []eventlog.Row, used int64) iter.Seq[[]eventlog.Row] {
	return func(yield func([]eventlog.Row) bool) {
		for size := used; len(rows) > 0; size = 0 {
			n := 0
			for n < len(rows) && n < editMost && (size == 0 || size+weightOf(rows[n]) <= editBytes) {
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

// editing collects edits of a locked database.
type editing struct {
	catalog *Catalog
	db      *Database
	edit    eventlog.Edit
	rows    []eventlog.Row
	bytes   int64 // of edit
	freed   int64 // bytes of events that the edit frees
	grown   int64 // bytes that the rows add
	charged bool  // everything was charged before
	done    int
}

// removeAnnotation adds the removal of an annotation.
func (b *editing) removeAnnotation(key string) error {
	text, err := b.catalog.log.Row(key)
	if err == nil && text != nil {
		b.dropAnnotation(eventlog.Row{Key: key, Value: text})
	}
	return err
}

func (b *editing) dropAnnotation(old eventlog.Row) {
	b.grown -= weightOf(old)
	b.catalog.annotationBytes(b.db, -weightOf(old))
	b.rows = append(b.rows, eventlog.Row{Key: old.Key})
}

// removeStream adds the removal of a stream's events.
func (b *editing) removeStream(ctx context.Context, mapped string) error {
	return b.catalog.events(ctx, b.db, mapped, func(e *eventlog.Event) error {
		freed := b.catalog.log.Weight(e)
		e.Data, e.Meta = nil, nil
		if err := b.fit(ctx, sizeOf(e)); err != nil {
			return err
		}
		b.freed += freed
		b.edit.Remove = append(b.edit.Remove, *e)
		return nil
	})
}

// replace adds the replacement of an event.
func (b *editing) replace(ctx context.Context, old, by eventlog.Event) error {
	freed := b.catalog.log.Weight(&old) - b.catalog.log.Weight(&by)
	old.Data, old.Meta = nil, nil // only by needs them
	if err := b.fit(ctx, sizeOf(&old)+sizeOf(&by)); err != nil {
		return err
	}
	b.freed += freed
	b.edit.Replace = append(b.edit.Replace, eventlog.Replacement{Old: old, New: by})
	return nil
}

// fit makes room for an edit of one more event: it commits what is collected if the commit would exceed its bounds.
func (b *editing) fit(ctx context.Context, size int64) error {
	n := len(b.edit.Remove) + len(b.edit.Replace)
	if n == editMost || n > 0 && b.bytes+size > editBytes {
		if err := b.commit(ctx); err != nil {
			return err
		}
	}
	b.bytes += size
	return nil
}

// events calls f for each event of a stream.
func (c *Catalog) events(ctx context.Context, d *Database, mapped string, f func(*eventlog.Event) error) error {
	for after, last := uint64(0), c.log.Settled(); after < last; {
		p, err := c.log.Read(ctx, query(d.name, mapped), after, 1000)
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

func (b *editing) commit(ctx context.Context) error {
	b.done += len(b.edit.Remove) + len(b.edit.Replace)
	edit, rows, bytes, freed, grown := b.edit, b.rows, b.bytes, b.freed, b.grown
	b.edit, b.rows, b.bytes, b.freed, b.grown = eventlog.Edit{}, nil, 0, 0, 0
	edit.Freed = freed
	next := &edit
	for some := range batches(rows, bytes) {
		if err := b.catalog.edit(ctx, next, some...); err != nil {
			return err
		}
		next = nil
	}
	if next != nil {
		if err := b.catalog.edit(ctx, next); err != nil {
			return err
		}
	}
	if !b.charged {
		b.catalog.change(b.db, -freed, grown)
	}
	return nil
}
