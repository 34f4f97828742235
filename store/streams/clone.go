package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sluice/store/eventlog"
	"sluice/store/rows"
	"sluice/store/share"
)

// rowCloning begins the rows of clones under way. The next start drops what an interrupted clone has stored.
const rowCloning = rows.Cloning

// clonesWaiting is the most clones of one owner that wait.
const clonesWaiting = 10

// Clone copies a database with its events, for an account; "" is root. The account is charged from the first event on.
// The copy appears when it is complete. That may take long, so the catalog can change meanwhile. One clone runs at a
// time, and owners take turns.
func (c *Catalog) Clone(ctx context.Context, name, to, owner string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.cloneTo(ctx, name, to, owner) })
}

func (c *Catalog) cloneTo(ctx context.Context, name, to, owner string) error {
	done, err := c.cloning.Acquire(ctx)
	if errors.Is(err, share.ErrQueueFull) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer done()
	made := newDatabase(to, owner)
	gone, err := c.come(made)
	if err != nil {
		return err
	}
	defer gone()
	d, err := c.use(name)
	if err != nil {
		c.leave(made)
		return err
	}
	defer d.using.RUnlock()
	if err := c.stillOwns(d, owner); err != nil {
		c.leave(made)
		return err
	}
	if err := c.copyTo(ctx, d, made); err != nil {
		// The client has left, for example, or the copy would exceed a bound. What cannot be dropped now is dropped at
		// the next start, or by the next database with this name.
		err = errors.Join(err, c.edit(ctx, cutOff(made), c.uncloned(to)...))
		c.leave(made)
		return fmt.Errorf("cloning database %q: %w", name, err)
	}
	c.put(made)
	return nil
}

// uncloned are the rows of a name as they were before a clone. The clone's last commit may have an unknown outcome, so
// they undo it.
func (c *Catalog) uncloned(name string) []eventlog.Row {
	rows := []eventlog.Row{{Key: rowDatabase + name}, {Key: rowCloning + name}}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if r, there := c.retired[name]; there {
		rows = append(rows, r.row(name))
	}
	return rows
}

// cutOff drops what was stored of a clone.
func cutOff(made *Database) *eventlog.Edit {
	return &eventlog.Edit{Drop: []string{Space(made.name)}, DropRows: []string{rowNamespace + made.info.ID + "/", rowAnnotation + made.info.ID + "/"}}
}

// come reserves a name for a clone, until gone is called, and charges the clone to its account.
func (c *Catalog) come(made *Database) (gone func(), err error) {
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.free(made.name, made.info.Account); err != nil {
		return nil, err
	}
	if err := c.enter(made); err != nil {
		return nil, err
	}
	c.setComing(made.name)
	return func() { c.setComing("") }, nil
}

func (c *Catalog) setComing(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coming = name
}

// copyTo stores the contents of a database in another one.
func (c *Catalog) copyTo(ctx context.Context, d, made *Database) error {
	if err := c.fits(d, made); err != nil {
		return err
	}
	edit := &eventlog.Edit{Drop: []string{Space(made.name)}}
	if err := c.edit(ctx, edit, eventlog.Row{Key: rowCloning + made.name, Value: []byte(made.info.ID)}); err != nil {
		return err
	}
	if err := c.copyEvents(ctx, d, made); err != nil {
		return err
	}
	if err := c.copyRows(ctx, d, made); err != nil {
		return err
	}
	made.info.Cloned = c.log.Settled()
	return c.edit(ctx, nil, made.row(), revived(made.name), eventlog.Row{Key: rowCloning + made.name})
}

// fits refuses a clone at the start that would exceed a bound at the end.
func (c *Catalog) fits(d, made *Database) error {
	c.mu.RLock()
	events, rows := d.usage.events-d.usage.pending, d.usage.rows
	c.mu.RUnlock()
	err := c.charge(made, events, rows)
	if err == nil {
		c.settle(made, events, rows, false)
	}
	return err
}

// copyEvents appends all events of a database to another one, with their times.
func (c *Catalog) copyEvents(ctx context.Context, d, made *Database) error {
	for after, last := uint64(0), c.log.Settled(); after < last; {
		page, err := c.log.Read(ctx, query(d.name, ""), after, 1000)
		if err != nil {
			return err
		}
		for i := range page.Events {
			if err := copied(c.log.Clock(), &page.Events[i], made.name); err != nil {
				return err
			}
		}
		for rest := page.Events; len(rest) > 0; {
			n, weight := fill(rest), int64(0)
			for i := range rest[:n] {
				weight += c.log.Weight(&rest[i])
			}
			if err := c.store(ctx, made, &eventlog.Request{Events: rest[:n]}, weight, 0); err != nil {
				return err
			}
			rest = rest[n:]
		}
		after = page.Reached
	}
	return nil
}

// copyRows stores the namespaces and annotations of a database in another one.
func (c *Catalog) copyRows(ctx context.Context, d, made *Database) error {
	var rows []eventlog.Row
	for _, n := range c.namespaces(d) {
		made.setNamespace(n, true)
		rows = append(rows, namespaceRow(made, n))
	}
	prefix := rowAnnotation + d.info.ID + "/"
	err := c.log.Rows(prefix, func(r eventlog.Row) error {
		rows = append(rows, eventlog.Row{Key: rowAnnotation + made.info.ID + "/" + r.Key[len(prefix):], Value: r.Value})
		return nil
	})
	if err != nil {
		return err
	}
	for some := range batches(rows, 0) {
		bytes, annotations := int64(0), int64(0)
		for _, r := range some {
			bytes += weightOf(r)
			if strings.HasPrefix(r.Key, rowAnnotation) {
				annotations += weightOf(r)
			}
		}
		if err := c.store(ctx, made, &eventlog.Request{Rows: some}, 0, bytes); err != nil {
			return err
		}
		made.usage.annotations += annotations // no lock is needed: nobody else has made yet
	}
	return nil
}

// store charges a request and appends it.
func (c *Catalog) store(ctx context.Context, d *Database, r *eventlog.Request, events, rows int64) error {
	if err := c.charge(d, events, rows); err != nil {
		return err
	}
	_, err := c.log.Append(ctx, r)
	c.settle(d, events, rows, err == nil || errors.Is(err, eventlog.ErrUnknown))
	return err
}

func copied(clock *eventlog.Clock, r *eventlog.Event, to string) error {
	kind, namespace, stream, k, own := names(r)
	e := Event{ID: r.Key, Type: kind, Namespace: namespace, Stream: stream, Data: r.Data}
	if err := unmarshalMeta(own, &e.Meta); err != nil {
		return err
	}
	if k.TS == "" {
		k.TS = clock.Time(r.ID).Format(TimeFormat)
	}
	var err error
	*r, err = e.record(Space(to), k.TS)
	return err
}

// dropCutOff drops what interrupted clones have left behind.
func (c *Catalog) dropCutOff(ctx context.Context) error {
	var left []*Database
	err := c.log.Rows(rowCloning, func(r eventlog.Row) error {
		left = append(left, &Database{name: r.Key[len(rowCloning):], info: info{ID: string(r.Value)}})
		return nil
	})
	for _, made := range left {
		edit := cutOff(made)
		if c.byName[made.name] != nil {
			edit.Drop = nil // the name is another database's by now, which has dropped those events
		}
		err = errors.Join(err, c.edit(ctx, edit, eventlog.Row{Key: rowCloning + made.name}))
	}
	return err
}
