package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"sluice/store/eventlog"
	"sluice/store/rows"
	"sluice/store/share"
)

// rowCloning begins the rows of clones under way. The next start drops what an interrupted clone has stored.
const rowCloning = rows.Cloning

// clonesWaiting is the most clones of one owner that wait.
const clonesWaiting = 10

// clonesTried is how often a clone begins again because its source was edited meanwhile.
const clonesTried = 3

// errEdited is the error of a copy whose source was edited meanwhile.
var errEdited = fmt.Errorf("%w: the database is edited all the time", eventlog.ErrUnavailable)

// Clone copies a database with its events, for an account; "" is root. The account is charged from the first event on.
// The copy is made in a space of its own, and appears when it is complete. That may take long, so the catalog can change
// meanwhile. One clone runs at a time, and owners take turns.
func (c *Catalog) Clone(ctx context.Context, name, to, owner string) error {
	done, err := c.cloning.Acquire(ctx)
	if errors.Is(err, share.ErrQueueFull) {
		return ErrBusy
	}
	if err != nil {
		return err
	}
	defer done()
	if _, err := c.free(to, owner); err != nil {
		return err
	}
	c.setComing(to)
	defer c.setComing("")
	for range clonesTried {
		if err = c.clone(ctx, name, to, owner); !errors.Is(err, errEdited) {
			break
		}
	}
	c.effects.Wait()
	return err
}

func (c *Catalog) setComing(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coming = name
}

// clone makes a copy under a new id.
func (c *Catalog) clone(ctx context.Context, name, to, owner string) error {
	of, err := c.read(name)
	for err == nil && of.Edit != nil {
		if err = c.await(ctx, name); err == nil {
			of, err = c.read(name)
		}
	}
	if err == nil {
		err = of.owned(owner)
	}
	if err != nil {
		return err
	}
	k := &copying{Catalog: c, of: of, made: newDatabase(to, owner)}
	if err := c.enter(k.made); err != nil {
		return err
	}
	defer c.leave(k.made)
	if err := k.copy(ctx); err != nil {
		// The client has left, for example, or the copy would exceed a bound.
		return fmt.Errorf("cloning database %q: %w", name, errors.Join(err, k.undo(ctx, err)))
	}
	return nil
}

// undo drops the copy after an error. What cannot be dropped is dropped at the next start. The outcome of the last commit
// may be unknown; if it was stored, there is nothing to drop. Then nobody waits for the disk again.
func (k *copying) undo(ctx context.Context, why error) error {
	if errors.Is(why, eventlog.ErrUnknown) {
		k.edits.Do(func() { _ = k.drop(context.WithoutCancel(ctx)) })
		return nil
	}
	err := k.drop(ctx)
	if errors.Is(err, eventlog.ErrRow) {
		return nil
	}
	return err
}

// copying is a clone under way. Its events are in the space of the name "/ID", which no database has.
type copying struct {
	*Catalog
	of   *asRead
	made *Database
}

func (k *copying) name() string { return "/" + k.made.id }

// row is the row of the clone under way. All that the clone stores has the condition that it is there.
func (k *copying) row() eventlog.Row {
	return eventlog.Row{Key: rowCloning + k.name(), Value: []byte(k.made.id)}
}

func (k *copying) is() eventlog.Condition { return eventlog.RowIs(k.row().Key, k.row().Value) }

// drop drops what was stored of the clone, unless it is complete.
func (k *copying) drop(ctx context.Context) error {
	return k.commit(ctx, &eventlog.Request{
		Edit: cutOff(k.name(), k.made.id), Rows: []eventlog.Row{{Key: k.row().Key}}, If: []eventlog.Condition{k.is()},
	})
}

// cutOff drops what was stored of a clone.
func cutOff(name, id string) *eventlog.Edit {
	return &eventlog.Edit{Drop: []string{Space(name)}, DropRows: rowsOf(id)}
}

// copy stores the contents of a database in another one.
func (k *copying) copy(ctx context.Context) error {
	of, err := k.find(k.of.name)
	if err != nil {
		return err
	}
	if of.id != k.of.ID {
		return errEdited
	}
	if err := k.fits(of, k.made); err != nil {
		return err
	}
	if err := k.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{k.row()}, If: []eventlog.Condition{eventlog.RowIs(k.row().Key, nil)}}); err != nil {
		return err
	}
	if err := k.copyEvents(ctx); err != nil {
		return err
	}
	if err := k.copyRows(ctx, of); err != nil {
		return err
	}
	return k.complete(ctx)
}

// complete gives the copy its name, if its source was not edited meanwhile.
func (k *copying) complete(ctx context.Context) error {
	next := k.made.info
	next.Cloned = k.log.Settled()
	return k.log.Retry(ctx, func() error {
		of, err := k.read(k.of.name)
		if err == nil {
			err = of.owned(k.made.account)
		}
		if err != nil {
			return err
		}
		if of.ID != k.of.ID || of.Version != k.of.Version {
			return errEdited
		}
		conditions, err := k.vacant(k.made.name, k.made.account)
		if err != nil {
			return err
		}
		if row, err := k.log.Row(k.row().Key); err != nil || row == nil {
			return cmp.Or(err, fmt.Errorf("%w: another process has dropped the copy when it started", eventlog.ErrUnavailable))
		}
		return k.commit(ctx, &eventlog.Request{
			// A clone of an older version may have left events under the name.
			Edit: &eventlog.Edit{Drop: []string{Space(k.made.name)}, Rename: [2]string{Space(k.name()), Space(k.made.name)}},
			Rows: []eventlog.Row{row(k.made.name, next), revived(k.made.name), {Key: k.row().Key}},
			If:   append(conditions, of.is(), k.is()),
		})
	})
}

// fits refuses a clone at the start that would exceed a bound at the end.
func (c *Catalog) fits(of, made *Database) error {
	c.mu.RLock()
	n := charge{events: of.usage.events - of.usage.pending.events, rows: of.contents.bytes}
	c.mu.RUnlock()
	err := c.charge(made, n)
	if err == nil {
		c.settle(made, n, false)
	}
	return err
}

// copyEvents appends all events of the source, with their times.
func (k *copying) copyEvents(ctx context.Context) error {
	for after, last := uint64(0), k.log.Settled(); after < last; {
		page, err := k.log.Read(ctx, query(k.of.name, ""), after, 1000)
		if err != nil {
			return err
		}
		for i := range page.Events {
			if err := copied(k.log.Clock(), &page.Events[i], k.name()); err != nil {
				return err
			}
		}
		for rest := page.Events; len(rest) > 0; {
			n, weight := fill(rest), int64(0)
			for i := range rest[:n] {
				weight += k.log.Weight(&rest[i])
			}
			if err := k.store(ctx, charge{events: weight}, &eventlog.Request{Events: rest[:n]}); err != nil {
				return err
			}
			rest = rest[n:]
		}
		after = page.Reached
	}
	return nil
}

// store charges a part of the copy and appends it.
func (k *copying) store(ctx context.Context, n charge, r *eventlog.Request) error {
	r.If = []eventlog.Condition{k.is()}
	return k.Catalog.store(ctx, k.made, n, r)
}

// copyRows stores the namespaces and annotations of the source.
func (k *copying) copyRows(ctx context.Context, of *Database) error {
	var rows []eventlog.Row
	for _, n := range k.namespaces(of) {
		rows = append(rows, namespaceRow(k.made.id, n))
	}
	prefix := rowAnnotation + of.id + "/"
	err := k.log.Rows(prefix, func(r eventlog.Row) error {
		rows = append(rows, eventlog.Row{Key: rowAnnotation + k.made.id + "/" + r.Key[len(prefix):], Value: r.Value})
		return nil
	})
	if err != nil {
		return err
	}
	for some := range batches(rows) {
		bytes := int64(0)
		for _, r := range some {
			bytes += weightOf(r)
		}
		if err := k.store(ctx, charge{rows: bytes}, &eventlog.Request{Rows: some}); err != nil {
			return err
		}
	}
	return nil
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

// dropCutOff drops what interrupted clones have left behind. Those of older versions have the name of the copy.
func (c *Catalog) dropCutOff(ctx context.Context) error {
	var left []eventlog.Row
	err := c.log.Rows(rowCloning, func(r eventlog.Row) error {
		left = append(left, r)
		return nil
	})
	for _, r := range left {
		name := r.Key[len(rowCloning):]
		edit := cutOff(name, string(r.Value))
		taken, failed := c.log.Row(rowDatabase + name)
		if taken != nil {
			edit.Drop = nil // the name is another database's by now, which has dropped those events
		}
		if failed == nil {
			failed = c.commit(ctx, &eventlog.Request{Edit: edit, Rows: []eventlog.Row{{Key: r.Key}}, If: []eventlog.Condition{
				eventlog.RowIs(r.Key, r.Value), eventlog.RowIs(rowDatabase+name, taken),
			}})
		}
		if !errors.Is(failed, eventlog.ErrRow) { // else another process has dropped it
			err = errors.Join(err, failed)
		}
	}
	return err
}
