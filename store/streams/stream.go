package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sluice/store/eventlog"
)

// Stream is what there is to tell of a stream.
type Stream struct {
	ID         string          `json:"id"`
	Namespace  string          `json:"ns"`
	Created    string          `json:"created"`
	Modified   string          `json:"modified"`
	Size       int             `json:"size"`
	Annotation json.RawMessage `json:"annotation,omitempty"`
	Type       json.RawMessage `json:"type,omitempty"` // the annotation's
}

// Bounds of one step over streams: how many it looks at, and how many bytes of annotations it holds.
const (
	pageStreams = 500
	pageBytes   = 1 << 20
)

// Streams calls f for each stream of a namespace, or of all where that is nil. The database is free between
// the pages, so that who is slow to take them holds nobody up.
func (c *Catalog) Streams(ctx context.Context, name string, namespace *string, f func(*Stream) error) error {
	for after := ""; ; {
		some, next, err := c.streams(ctx, name, namespace, after)
		if err != nil {
			return err
		}
		for _, s := range some {
			if err := f(s); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// streams is one page of Streams, and the name to go on from, "" at the end.
func (c *Catalog) streams(ctx context.Context, name string, namespace *string, after string) (page []*Stream, next string, err error) {
	d, err := c.use(name)
	if err != nil {
		return nil, "", err
	}
	defer d.using.RUnlock()
	if namespace != nil && !c.there(d, *namespace) {
		return nil, "", fmt.Errorf("%w: %q", ErrNoNamespace, *namespace)
	}
	done, err := c.looks.Acquire(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	some, err := c.log.Streams(ctx, Space(name), MapNamespace(value(namespace)), after, pageStreams)
	if err != nil {
		return nil, "", err
	}
	bytes := 0
	for _, s := range some {
		if !within(namespace, s.Stream) {
			continue
		}
		told, err := c.stream(ctx, d, s)
		if err != nil {
			return nil, "", err
		}
		page = append(page, told)
		if bytes += len(told.Annotation); bytes > pageBytes {
			return page, s.Stream, nil
		}
	}
	if len(some) == pageStreams {
		next = some[len(some)-1].Stream
	}
	return page, next, nil
}

// within says whether a stream whose name begins as the namespace's do is of it: all do for the unnamed one.
func within(namespace *string, mapped string) bool {
	return namespace == nil || *namespace != "" || !strings.Contains(mapped, "/")
}

// there says whether a namespace is; the unnamed one always is.
func (c *Catalog) there(d *Database, namespace string) bool {
	return namespace == "" || c.has(d, namespace)
}

// each calls f for each stream of a namespace.
func (c *Catalog) each(ctx context.Context, d *Database, namespace string, f func(eventlog.StreamState) error) error {
	for after := ""; ; {
		some, err := c.log.Streams(ctx, Space(d.name), MapNamespace(namespace), after, pageStreams)
		if err != nil {
			return err
		}
		for _, s := range some {
			after = s.Stream
			if !within(&namespace, s.Stream) {
				continue
			}
			if err := f(s); err != nil {
				return err
			}
		}
		if len(some) < pageStreams {
			return nil
		}
	}
}

func (c *Catalog) stream(ctx context.Context, d *Database, s eventlog.StreamState) (*Stream, error) {
	told := &Stream{Size: s.Count}
	var whole bool
	var err error
	if told.Namespace, told.ID, whole = unmapStream(s.Stream); !whole {
		p, err := c.log.Read(ctx, query(d.name, s.Stream), s.First-1, 1)
		if err != nil {
			return nil, err
		}
		if len(p.Events) > 0 {
			_, told.Namespace, told.ID, _, _ = names(&p.Events[0])
		}
	}
	if told.Created, err = c.timeAt(ctx, d, s.Stream, s.First); err != nil {
		return nil, err
	}
	if told.Modified, err = c.timeAt(ctx, d, s.Stream, s.Last); err != nil {
		return nil, err
	}
	if told.Annotation, err = c.annotation(d, s.Stream); err != nil {
		return nil, err
	}
	var typed struct{ Type json.RawMessage }
	if told.Annotation != nil && json.Unmarshal(told.Annotation, &typed) == nil { // what is no object has no type
		told.Type = typed.Type
	}
	return told, nil
}

// timeAt is the time of the event at a place, as its clients read it.
func (c *Catalog) timeAt(ctx context.Context, d *Database, mapped string, at uint64) (string, error) {
	if at <= d.info.Cloned {
		e, err := c.next(ctx, d, mapped, at-1)
		if err != nil {
			return "", err
		}
		if e != nil {
			return timeText(c.log.Clock(), e), nil
		}
	}
	return c.log.Clock().Time(at).Format(TimeFormat), nil
}

func annotationKey(d *Database, mapped string) string {
	return rowAnnotation + d.info.ID + "/" + mapped
}

// annotated is the row of an annotation, with the stream's name as it was: a stream may have no event that
// knows it.
type annotated struct {
	Stream     string          `json:"stream"`
	Annotation json.RawMessage `json:"annotation"`
}

// annotation is that of a stream, nil where there is none.
func (c *Catalog) annotation(d *Database, mapped string) (json.RawMessage, error) {
	text, err := c.log.Row(annotationKey(d, mapped))
	if err != nil || text == nil {
		return nil, err
	}
	var row annotated
	if err := json.Unmarshal(text, &row); err != nil {
		return nil, fmt.Errorf("reading an annotation: %w", err)
	}
	return row.Annotation, nil
}

// Annotate sets a stream's annotation, compact JSON; nil takes it away.
func (c *Catalog) Annotate(ctx context.Context, name, namespace, stream string, annotation []byte) error {
	d, err := c.use(name)
	if err != nil {
		return err
	}
	defer d.using.RUnlock()
	if !c.there(d, namespace) {
		return fmt.Errorf("%w: %q", ErrNoNamespace, namespace)
	}
	if stream == "" || len(stream) > MaxName {
		return fmt.Errorf("%w: the stream's is empty or longer than %d bytes", ErrName, MaxName)
	}
	row := eventlog.Row{Key: annotationKey(d, MapStream(namespace, stream))}
	if annotation != nil {
		if row.Value, err = json.Marshal(annotated{stream, annotation}); err != nil {
			return fmt.Errorf("annotating %q: %w", stream, err)
		}
	}
	return c.putAnnotation(ctx, d, row)
}

// putAnnotation stores the row of an annotation in the place of the one that is there.
func (c *Catalog) putAnnotation(ctx context.Context, d *Database, row eventlog.Row) error {
	d.annotating.Lock()
	defer d.annotating.Unlock()
	old, err := c.log.Row(row.Key)
	if err != nil {
		return err
	}
	grown := int64(0)
	if old != nil {
		grown -= weightOf(eventlog.Row{Key: row.Key, Value: old})
	}
	if row.Value != nil {
		grown += weightOf(row)
	}
	if c.annotationBytes(d, 0)+grown > maxAnnotationBytes && grown > 0 {
		return fmt.Errorf("%w: the annotations of database %q may hold %d bytes", ErrFull, d.name, maxAnnotationBytes)
	}
	err = c.store(context.WithoutCancel(ctx), d, &eventlog.Request{Rows: []eventlog.Row{row}}, 0, grown)
	if err == nil || errors.Is(err, eventlog.ErrUnknown) {
		c.annotationBytes(d, grown)
	}
	return err
}

// annotationBytes counts what the annotations of a database have grown by, and gives what they hold.
func (c *Catalog) annotationBytes(d *Database, grown int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.held.annotations += grown
	return d.held.annotations
}

// Annotation is a stream's.
func (c *Catalog) Annotation(name, namespace, stream string) ([]byte, error) {
	d, err := c.use(name)
	if err != nil {
		return nil, err
	}
	defer d.using.RUnlock()
	text, err := c.annotation(d, MapStream(namespace, stream))
	if err == nil && text == nil {
		err = ErrNoAnnotation
	}
	return text, err
}

// DestroyStream deletes a stream and its annotation.
func (c *Catalog) DestroyStream(ctx context.Context, name, namespace, stream string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.destroyStream(ctx, name, namespace, stream) })
}

func (c *Catalog) destroyStream(ctx context.Context, name, namespace, stream string) error {
	d, err := c.lock(name)
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	mapped := MapStream(namespace, stream)
	text, err := c.annotation(d, mapped)
	if err != nil {
		return err
	}
	b := editing{catalog: c, db: d}
	if err := b.removeStream(ctx, mapped); err != nil {
		return fmt.Errorf("destroying a stream: %w", err)
	}
	if b.done+len(b.edit.Remove) == 0 && text == nil {
		return fmt.Errorf("%w: %q", ErrNoStream, stream)
	}
	if text != nil {
		if err := b.removeAnnotation(annotationKey(d, mapped)); err != nil {
			return fmt.Errorf("destroying a stream: %w", err)
		}
	}
	if err := b.commit(ctx); err != nil {
		return fmt.Errorf("destroying a stream: %w", err)
	}
	c.notify(name)
	return nil
}

// Bounds of one commit: how many events it edits, and how many bytes of them it writes again. More are edited in
// several, of which readers can see some before the others. Appends of every door wait behind an edit: one of 100,000
// events took 0.6 s on a busy machine, and one of 64 MiB a slow disk longer than the log waits for an answer (10 s).
const (
	editMost  = 10_000
	editBytes = 8 << 20
)

// editing gathers edits of a database that is locked.
type editing struct {
	catalog *Catalog
	db      *Database
	edit    eventlog.Edit
	rows    []eventlog.Row
	bytes   int   // of replacements
	freed   int64 // what the edit takes off the events' bytes
	grown   int64 // what the rows put to the rows' bytes
	charged bool  // it was all charged before
	done    int
}

// removeAnnotation gathers a row for removal.
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

// removeStream gathers the events of a stream for removal.
func (b *editing) removeStream(ctx context.Context, mapped string) error {
	return b.events(ctx, mapped, func(e *eventlog.Event) {
		b.freed += b.catalog.log.Weight(e)
		e.Data, e.Meta = nil, nil
		b.edit.Remove = append(b.edit.Remove, *e)
	})
}

// events calls f for each event of a stream, and commits whenever enough has been gathered.
func (b *editing) events(ctx context.Context, mapped string, f func(*eventlog.Event)) error {
	log := b.catalog.log
	for after, last := uint64(0), log.Settled(); after < last; {
		p, err := log.Read(ctx, query(b.db.name, mapped), after, 1000)
		if err != nil {
			return err
		}
		for i := range p.Events {
			f(&p.Events[i])
			if len(b.edit.Remove)+len(b.edit.Replace) >= editMost || b.bytes >= editBytes {
				if err := b.commit(ctx); err != nil {
					return err
				}
			}
		}
		after = p.Reached
	}
	return nil
}

func (b *editing) commit(ctx context.Context) error {
	b.done += len(b.edit.Remove) + len(b.edit.Replace)
	edit, rows, freed, grown := b.edit, b.rows, b.freed, b.grown
	b.edit, b.rows, b.bytes, b.freed, b.grown = eventlog.Edit{}, nil, 0, 0, 0
	edit.Freed = freed
	next := &edit
	for some := range batches(rows) {
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

func unmarshalMeta(own []byte, to *map[string]json.RawMessage) error {
	if len(own) == 0 {
		return nil
	}
	return json.Unmarshal(own, to)
}
