package streams

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"sluice/store/eventlog"
)

func namespaceRow(id, namespace string) eventlog.Row {
	return eventlog.Row{Key: rowNamespace + id + "/" + namespace, Value: []byte{}}
}

func (c *Catalog) has(d *Database, namespace string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return d.contents.namespaces[namespace]
}

// roomFor returns an error if more namespaces, with names of that many bytes together, do not fit into a database. The
// caller has locked c.mu.
func (o *contents) roomFor(more, names int) error {
	switch {
	case len(o.namespaces)+more > maxNamespaces:
		return fmt.Errorf("%w: a database has at most %d namespaces", ErrTooMany, maxNamespaces)
	case o.names+names > maxNamespaceBytes:
		return fmt.Errorf("%w: the names of a database's namespaces have at most %d bytes together", ErrTooMany, maxNamespaceBytes)
	}
	return nil
}

func (c *Catalog) namespaces(d *Database) []string {
	c.mu.RLock()
	names := slices.AppendSeq(make([]string, 0, len(d.contents.namespaces)), maps.Keys(d.contents.namespaces))
	c.mu.RUnlock()
	slices.Sort(names) // without mu: all writers to all databases wait for it
	return names
}

// Namespaces are the names of a database's namespaces, sorted, without the unnamed one.
func (c *Catalog) Namespaces(ctx context.Context, name string) ([]string, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
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
	if namespace == "" || len(namespace) > MaxName || !utf8.ValidString(namespace) {
		return fmt.Errorf("%w: a namespace's name must have 1 to %d bytes of UTF-8", ErrName, MaxName)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if d.contents.namespaces[namespace] {
		return fmt.Errorf("%w: there is a namespace %q", ErrTaken, namespace)
	}
	return d.contents.roomFor(1, len(namespace))
}

// ready finds a database that nobody edits, and the condition that this stays so. While it is edited, ready waits for a
// while and then returns ErrRow.
func (c *Catalog) ready(ctx context.Context, name string) (*Database, eventlog.Condition, error) {
	c.mu.RLock()
	d := c.byName[name]
	if d == nil {
		c.mu.RUnlock()
		return nil, eventlog.Condition{}, noDatabase(name)
	}
	is, idle := d.is, d.info.Edit == nil
	c.mu.RUnlock()
	if idle {
		return d, is, nil
	}
	return nil, is, cmp.Or(c.await(ctx, name), eventlog.ErrRow)
}

// CreateNamespace makes an empty namespace.
func (c *Catalog) CreateNamespace(ctx context.Context, name, namespace string) error {
	err := c.retry(ctx, func() error {
		d, is, err := c.ready(ctx, name)
		if err == nil {
			err = c.freeNamespace(d, namespace)
		}
		if err != nil {
			return err
		}
		row := namespaceRow(d.id, namespace)
		return c.store(context.WithoutCancel(ctx), d, charge{rows: weightOf(row)}, &eventlog.Request{
			Rows: []eventlog.Row{row}, If: []eventlog.Condition{is, eventlog.RowIs(row.Key, nil)},
		})
	})
	if err != nil {
		return fmt.Errorf("creating namespace %q: %w", namespace, err)
	}
	return nil
}

// store charges a request and appends it.
func (c *Catalog) store(ctx context.Context, d *Database, n charge, r *eventlog.Request) error {
	if err := c.charge(d, n); err != nil {
		return err
	}
	_, err := c.log.Append(ctx, r)
	c.settle(d, n, err == nil || errors.Is(err, eventlog.ErrUnknown))
	return err
}

// Truncate deletes all streams of a namespace.
func (c *Catalog) Truncate(ctx context.Context, name, namespace string) error {
	return c.empty(ctx, name, namespace, false)
}

// DestroyNamespace deletes a namespace and all its streams. The unnamed namespace only loses its streams.
func (c *Catalog) DestroyNamespace(ctx context.Context, name, namespace string) error {
	return c.empty(ctx, name, namespace, namespace != "")
}

func (c *Catalog) empty(ctx context.Context, name, namespace string, destroy bool) error {
	err := c.perform(ctx, name, func(d *Database) (edit, *eventlog.Request, error) {
		if !c.there(d, namespace) {
			return edit{}, nil, fmt.Errorf("%w: %q", ErrNoNamespace, namespace)
		}
		r := &eventlog.Request{}
		if destroy {
			r.Rows = []eventlog.Row{{Key: namespaceRow(d.id, namespace).Key}}
		}
		return edit{Namespace: namespace}, r, nil
	})
	if err != nil {
		return fmt.Errorf("emptying namespace %q: %w", namespace, err)
	}
	return nil
}

// annotations calls f for the annotations of a namespace's streams.
func (c *Catalog) annotations(id, namespace string, f func(eventlog.Row) error) error {
	prefix := annotationKey(id, MapNamespace(namespace))
	return c.log.Rows(prefix, func(r eventlog.Row) error {
		if !within(&namespace, r.Key[len(prefix):]) {
			return nil
		}
		return f(r)
	})
}

// RenameNamespace gives a namespace another name. It writes the record of each of its events again.
func (c *Catalog) RenameNamespace(ctx context.Context, name, namespace, to string) error {
	if err := c.renameNamespace(ctx, name, namespace, to); err != nil {
		return fmt.Errorf("renaming namespace %q: %w", namespace, err)
	}
	return nil
}

func (c *Catalog) renameNamespace(ctx context.Context, name, namespace, to string) error {
	d, err := c.find(name)
	if err == nil {
		err = c.mayRename(d, namespace, to)
	}
	if err != nil {
		return err
	}
	grown, err := c.growth(ctx, d, namespace, to)
	if err == nil {
		err = c.charge(d, grown)
	}
	if err != nil {
		return err
	}
	defer c.settle(d, grown, false) // the commits count what they change
	return c.perform(ctx, name, func(d *Database) (edit, *eventlog.Request, error) {
		if err := c.mayRename(d, namespace, to); err != nil {
			return edit{}, nil, err
		}
		row := namespaceRow(d.id, to)
		r := &eventlog.Request{Rows: []eventlog.Row{row}, If: []eventlog.Condition{eventlog.RowIs(row.Key, nil)}}
		if namespace != "" {
			r.Rows = append(r.Rows, eventlog.Row{Key: namespaceRow(d.id, namespace).Key})
		}
		return edit{Namespace: namespace, To: to}, r, nil
	})
}

func (c *Catalog) mayRename(d *Database, namespace, to string) error {
	if !c.there(d, namespace) {
		return fmt.Errorf("%w: %q", ErrNoNamespace, namespace)
	}
	return c.freeNamespace(d, to)
}

// growth is how many more bytes a namespace takes under another name.
func (c *Catalog) growth(ctx context.Context, d *Database, namespace, to string) (grown charge, err error) {
	err = c.each(ctx, d.name, namespace, "", func(s eventlog.StreamState) error {
		return c.events(ctx, d.name, s.Stream, 0, func(old *eventlog.Event) error {
			by, err := renamed(old, to)
			grown.events += c.log.Weight(&by) - c.log.Weight(old)
			return err
		})
	})
	if err != nil {
		return grown, err
	}
	grown.rows = namespaceWeight(d.id, to)
	if namespace != "" {
		grown.rows -= namespaceWeight(d.id, namespace)
	}
	err = c.annotations(d.id, namespace, func(r eventlog.Row) error {
		by, err := reannotated(d.id, to, r)
		grown.rows += weightOf(by) - weightOf(r)
		return err
	})
	return grown, err
}

// reannotated is the row of an annotation in another namespace.
func reannotated(id, to string, old eventlog.Row) (eventlog.Row, error) {
	var row annotated
	if err := json.Unmarshal(old.Value, &row); err != nil {
		return old, fmt.Errorf("reading an annotation: %w", err)
	}
	return eventlog.Row{Key: annotationKey(id, MapStream(to, row.Stream)), Value: old.Value}, nil
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
