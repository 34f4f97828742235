package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sluice/store/eventlog"
)

// Stream describes a stream, as clients see it.
type Stream struct {
	ID         string          `json:"id"`
	Namespace  string          `json:"ns"`
	Created    string          `json:"created"`
	Modified   string          `json:"modified"`
	Size       int             `json:"size"`
	Annotation json.RawMessage `json:"annotation,omitempty"`
	Type       json.RawMessage `json:"type,omitempty"` // the annotation's field "type"
}

// Bounds of one step over streams: how many it reads, and how many bytes of annotations.
const (
	pageStreams = 500
	pageBytes   = 1 << 20
)

// Streams calls f for each stream of a namespace, or of all if namespace is nil. No slot is taken while f runs, so a
// slow client delays nobody.
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

// streams returns one page of Streams, and the name to go on from, or "" at the end.
func (c *Catalog) streams(ctx context.Context, name string, namespace *string, after string) (page []*Stream, next string, err error) {
	d, done, err := c.lookInto(ctx, name, namespace)
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
		out, err := c.stream(ctx, d, s)
		if err != nil {
			return nil, "", err
		}
		page = append(page, out)
		if bytes += len(out.Annotation); bytes > pageBytes {
			return page, s.Stream, nil
		}
	}
	if len(some) == pageStreams {
		next = some[len(some)-1].Stream
	}
	return page, next, nil
}

// lookInto finds a database and one of its namespaces, all if namespace is nil, and waits for its turn to read. Call done after
// the read.
func (c *Catalog) lookInto(ctx context.Context, name string, namespace *string) (d *Database, done func(), err error) {
	if d, err = c.find(name); err != nil {
		return nil, nil, err
	}
	if namespace != nil && !c.there(d, *namespace) {
		return nil, nil, fmt.Errorf("%w: %q", ErrNoNamespace, *namespace)
	}
	done, err = c.looks.Acquire(ctx)
	return d, done, err
}

// within reports whether a stream belongs to a namespace. The caller has already matched the prefix of the name; the
// prefix of the unnamed namespace matches all streams.
func within(namespace *string, mapped string) bool {
	return namespace == nil || *namespace != "" || !strings.Contains(mapped, "/")
}

// there reports whether a namespace exists. The unnamed one always does.
func (c *Catalog) there(d *Database, namespace string) bool {
	return namespace == "" || c.has(d, namespace)
}

// each calls f for each stream of a namespace after one of them, or all after "".
func (c *Catalog) each(ctx context.Context, name, namespace, after string, f func(eventlog.StreamState) error) error {
	for {
		some, err := c.log.Streams(ctx, Space(name), MapNamespace(namespace), after, pageStreams)
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
	out := &Stream{Size: s.Count}
	var whole bool
	var err error
	if out.Namespace, out.ID, whole = unmapStream(s.Stream); !whole {
		p, err := c.log.Read(ctx, query(d.name, s.Stream), s.First-1, 1)
		if err != nil {
			return nil, err
		}
		if len(p.Events) > 0 {
			_, out.Namespace, out.ID, _, _ = names(&p.Events[0])
		}
	}
	if out.Created, err = c.timeAt(ctx, d, s.Stream, s.First); err != nil {
		return nil, err
	}
	if out.Modified, err = c.timeAt(ctx, d, s.Stream, s.Last); err != nil {
		return nil, err
	}
	if out.Annotation, err = c.annotation(d, s.Stream); err != nil {
		return nil, err
	}
	var typed struct{ Type json.RawMessage }
	if out.Annotation != nil && json.Unmarshal(out.Annotation, &typed) == nil { // if it is no object, it has no type
		out.Type = typed.Type
	}
	return out, nil
}

// timeAt is the time of the event with an id, as clients see it.
func (c *Catalog) timeAt(ctx context.Context, d *Database, mapped string, at uint64) (string, error) {
	if at <= d.cloned {
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

func annotationKey(id, mapped string) string { return rowAnnotation + id + "/" + mapped }

// annotated is the row of an annotation. It has the stream's original name, since the stream may have no event with it.
type annotated struct {
	Stream     string          `json:"stream"`
	Annotation json.RawMessage `json:"annotation"`
}

// annotation is the annotation of a stream, or nil.
func (c *Catalog) annotation(d *Database, mapped string) (json.RawMessage, error) {
	text, err := c.log.Row(annotationKey(d.id, mapped))
	if err != nil || text == nil {
		return nil, err
	}
	var row annotated
	if err := json.Unmarshal(text, &row); err != nil {
		return nil, fmt.Errorf("reading an annotation: %w", err)
	}
	return row.Annotation, nil
}

// Annotate sets a stream's annotation, which is compact JSON. nil removes it.
func (c *Catalog) Annotate(ctx context.Context, name, namespace, stream string, annotation []byte) error {
	return c.log.Retry(ctx, func() error { return c.annotate(ctx, name, namespace, stream, annotation) })
}

func (c *Catalog) annotate(ctx context.Context, name, namespace, stream string, annotation []byte) error {
	d, is, err := c.ready(ctx, name)
	if err != nil {
		return err
	}
	if !c.there(d, namespace) {
		return fmt.Errorf("%w: %q", ErrNoNamespace, namespace)
	}
	if stream == "" || len(stream) > MaxName {
		return fmt.Errorf("%w: the stream's name is empty or longer than %d bytes", ErrName, MaxName)
	}
	row := eventlog.Row{Key: annotationKey(d.id, MapStream(namespace, stream))}
	old, err := c.log.Row(row.Key)
	if err != nil {
		return err
	}
	grown := int64(0)
	if old != nil {
		grown -= weightOf(eventlog.Row{Key: row.Key, Value: old})
	}
	if annotation != nil {
		if row.Value, err = json.Marshal(annotated{stream, annotation}); err != nil {
			return fmt.Errorf("annotating %q: %w", stream, err)
		}
		grown += weightOf(row)
	}
	return c.store(context.WithoutCancel(ctx), d, charge{rows: grown, annotations: grown}, &eventlog.Request{
		Rows: []eventlog.Row{row}, If: []eventlog.Condition{is, eventlog.RowIs(row.Key, old)},
	})
}

// Annotation is a stream's annotation.
func (c *Catalog) Annotation(name, namespace, stream string) ([]byte, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	text, err := c.annotation(d, MapStream(namespace, stream))
	if err == nil && text == nil {
		err = ErrNoAnnotation
	}
	return text, err
}

// DestroyStream deletes a stream and its annotation.
func (c *Catalog) DestroyStream(ctx context.Context, name, namespace, stream string) error {
	mapped := MapStream(namespace, stream)
	err := c.perform(ctx, name, func(d *Database) (edit, *eventlog.Request, error) {
		first, err := c.next(ctx, d, mapped, 0)
		if err != nil {
			return edit{}, nil, err
		}
		text, err := c.annotation(d, mapped)
		if err == nil && first == nil && text == nil {
			err = fmt.Errorf("%w: %q", ErrNoStream, stream)
		}
		return edit{Stream: mapped}, &eventlog.Request{}, err
	})
	if err != nil {
		return fmt.Errorf("destroying a stream: %w", err)
	}
	return nil
}

func unmarshalMeta(own []byte, to *map[string]json.RawMessage) error {
	if len(own) == 0 {
		return nil
	}
	return json.Unmarshal(own, to)
}
