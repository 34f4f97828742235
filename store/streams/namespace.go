package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"sluice/store/eventlog"
)

func namespaceRow(d *Database, namespace string) eventlog.Row {
	return eventlog.Row{Key: rowNamespace + d.info.ID + "/" + namespace, Value: []byte{}}
}

func (c *Catalog) has(d *Database, namespace string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return d.namespaces[namespace]
}

// setNamespace notes that a namespace exists, or does not. The caller has locked c.mu.
func (d *Database) setNamespace(namespace string, there bool) {
	switch {
	case there == d.namespaces[namespace]:
	case there:
		d.namespaces[namespace] = true
		d.names += len(namespace)
	default:
		delete(d.namespaces, namespace)
		d.names -= len(namespace)
	}
}

// roomFor returns an error if more namespaces, with names of names bytes together, do not fit into a
// database.
func (c *Catalog) roomFor(d *Database, more, names int) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case len(d.namespaces)+more > maxNamespaces:
		return fmt.Errorf("%w: a database has at most %d namespaces", ErrTooMany, maxNamespaces)
	case d.names+names > maxNamespaceBytes:
		return fmt.Errorf("%w: the names of a database's namespaces have at most %d bytes together", ErrTooMany, maxNamespaceBytes)
	}
	return nil
}

func (c *Catalog) namespaces(d *Database) []string {
	c.mu.RLock()
	names := slices.AppendSeq(make([]string, 0, len(d.namespaces)), maps.Keys(d.namespaces))
	c.mu.RUnlock()
	slices.Sort(names) // without mu: all writers to all databases wait for it
	return names
}

// Namespaces are the names of a database's namespaces, sorted, without the unnamed one.
func (c *Catalog) Namespaces(ctx context.Context, name string) ([]string, error) {
	d, err := c.use(name)
	if err != nil {
		return nil, err
	}
	defer d.using.RUnlock()
	done, err := c.looks.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return c.namespaces(d), nil
}

// HasNamespace reports whether a database has a namespace. It always has the unnamed one.
func (c *Catalog) HasNamespace(name, namespace string) bool {
	d, err := c.find(name)
	return err == nil && c.there(d, namespace)
}

// freeNamespace returns an error if a namespace cannot be made.
func (c *Catalog) freeNamespace(d *Database, namespace string) error {
	switch {
	case namespace == "" || len(namespace) > MaxName || !utf8.ValidString(namespace):
		return fmt.Errorf("%w: a namespace's name must have 1 to %d bytes of UTF-8", ErrName, MaxName)
	case c.has(d, namespace):
		return fmt.Errorf("%w: there is a namespace %q", ErrTaken, namespace)
	}
	return c.roomFor(d, 1, len(namespace))
}

// CreateNamespace makes an empty namespace.
func (c *Catalog) CreateNamespace(ctx context.Context, name, namespace string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.createNamespace(ctx, name, namespace) })
}

func (c *Catalog) createNamespace(ctx context.Context, name, namespace string) error {
	d, err := c.lock(name)
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	if err := c.freeNamespace(d, namespace); err != nil {
		return err
	}
	row := namespaceRow(d, namespace)
	if err := c.store(context.WithoutCancel(ctx), d, &eventlog.Request{Rows: []eventlog.Row{row}}, 0, weightOf(row)); err != nil {
		return fmt.Errorf("creating namespace %q: %w", namespace, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.setNamespace(namespace, true)
	return nil
}

// Truncate deletes all streams of a namespace.
func (c *Catalog) Truncate(ctx context.Context, name, namespace string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.empty(ctx, name, namespace, false) })
}

// DestroyNamespace deletes a namespace and all its streams. The unnamed namespace only loses its streams.
func (c *Catalog) DestroyNamespace(ctx context.Context, name, namespace string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.empty(ctx, name, namespace, namespace != "") })
}

func (c *Catalog) empty(ctx context.Context, name, namespace string, destroy bool) error {
	d, err := c.lock(name)
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	if !c.there(d, namespace) {
		return fmt.Errorf("%w: %q", ErrNoNamespace, namespace)
	}
	b := editing{catalog: c, db: d}
	err = c.each(ctx, d, namespace, func(s eventlog.StreamState) error { return b.removeStream(ctx, s.Stream) })
	if err == nil {
		err = c.annotations(d, namespace, func(r eventlog.Row) error {
			b.dropAnnotation(r)
			return nil
		})
	}
	if destroy {
		row := namespaceRow(d, namespace)
		b.grown -= weightOf(row)
		b.rows = append(b.rows, eventlog.Row{Key: row.Key})
	}
	if err == nil {
		err = b.commit(ctx)
	}
	if err != nil {
		return fmt.Errorf("emptying namespace %q: %w", namespace, err)
	}
	if destroy {
		c.mu.Lock()
		d.setNamespace(namespace, false)
		c.mu.Unlock()
	}
	c.notify(name)
	return nil
}

// annotations calls f for the annotations of a namespace's streams.
func (c *Catalog) annotations(d *Database, namespace string, f func(eventlog.Row) error) error {
	prefix := annotationKey(d, MapNamespace(namespace))
	return c.log.Rows(prefix, func(r eventlog.Row) error {
		if !within(&namespace, r.Key[len(prefix):]) {
			return nil
		}
		return f(r)
	})
}

// RenameNamespace gives a namespace another name. It writes the record of each of its events again.
func (c *Catalog) RenameNamespace(ctx context.Context, name, namespace, to string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.renameNamespace(ctx, name, namespace, to) })
}

func (c *Catalog) renameNamespace(ctx context.Context, name, namespace, to string) error {
	d, err := c.lock(name)
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	if !c.there(d, namespace) {
		return fmt.Errorf("%w: %q", ErrNoNamespace, namespace)
	}
	if err := c.freeNamespace(d, to); err != nil {
		return err
	}
	events, rows, err := c.growth(ctx, d, namespace, to)
	if err == nil {
		err = c.charge(d, events, rows)
	}
	if err != nil {
		return fmt.Errorf("renaming namespace %q: %w", namespace, err)
	}
	b := editing{catalog: c, db: d, rows: []eventlog.Row{namespaceRow(d, to)}, charged: true}
	err = b.rename(ctx, namespace, to)
	c.settle(d, events, rows, err == nil || events+rows > 0) // after an error, a part may have been stored
	if err != nil {
		return fmt.Errorf("renaming namespace %q: %w", namespace, err)
	}
	c.mu.Lock()
	d.setNamespace(namespace, false)
	d.setNamespace(to, true)
	c.mu.Unlock()
	c.notify(name)
	return nil
}

// growth is how many more bytes the events and rows of a namespace take under another name.
func (c *Catalog) growth(ctx context.Context, d *Database, namespace, to string) (events, rows int64, err error) {
	err = c.each(ctx, d, namespace, func(s eventlog.StreamState) error {
		return c.events(ctx, d, s.Stream, func(old *eventlog.Event) error {
			by, err := renamed(old, to)
			events += c.log.Weight(&by) - c.log.Weight(old)
			return err
		})
	})
	if err != nil {
		return 0, 0, err
	}
	rows = weightOf(namespaceRow(d, to))
	if namespace != "" {
		rows -= weightOf(namespaceRow(d, namespace))
	}
	err = c.annotations(d, namespace, func(r eventlog.Row) error {
		by, err := reannotated(d, to, r)
		rows += weightOf(by) - weightOf(r)
		return err
	})
	return events, rows, err
}

// reannotated is the row of an annotation in another namespace.
func reannotated(d *Database, to string, old eventlog.Row) (eventlog.Row, error) {
	var row annotated
	if err := json.Unmarshal(old.Value, &row); err != nil {
		return old, fmt.Errorf("reading an annotation: %w", err)
	}
	return eventlog.Row{Key: annotationKey(d, MapStream(to, row.Stream)), Value: old.Value}, nil
}

func (b *editing) rename(ctx context.Context, namespace, to string) error {
	c, d := b.catalog, b.db
	err := c.each(ctx, d, namespace, func(s eventlog.StreamState) error {
		return c.events(ctx, d, s.Stream, func(old *eventlog.Event) error {
			by, err := renamed(old, to)
			if err != nil {
				return err
			}
			return b.replace(ctx, *old, by)
		})
	})
	if err != nil {
		return err
	}
	err = c.annotations(d, namespace, func(r eventlog.Row) error {
		by, err := reannotated(d, to, r)
		c.annotationBytes(d, weightOf(by)-weightOf(r))
		b.rows = append(b.rows, eventlog.Row{Key: r.Key}, by)
		return err
	})
	if err != nil {
		return err
	}
	if namespace != "" {
		b.rows = append(b.rows, eventlog.Row{Key: namespaceRow(d, namespace).Key})
	}
	return b.commit(ctx)
}

// renamed is a record in another namespace.
func renamed(old *eventlog.Event, to string) (eventlog.Event, error) {
	kind, _, stream, k, own := names(old)
	e := Event{ID: old.Key, Type: kind, Namespace: to, Stream: stream, Data: old.Data}
	if err := unmarshalMeta(own, &e.Meta); err != nil {
		return *old, err
	}
	by, err := e.record(old.Space, k.TS)
	by.ID = old.ID
	return by, err
}
