package streams

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/rows"
	"sluice/store/share"
)

// The prefixes of rows. A database's row has its name. All that belongs to it has its id, which never changes.
const (
	rowDatabase   = rows.Database
	rowNamespace  = rows.Namespace
	rowAnnotation = rows.Annotation
)

// Space is the space of a database in the log.
func Space(name string) string { return channel.DBSpace + name }

// Catalog has all databases. It follows their rows, so all catalogs of a log agree.
type Catalog struct {
	log     *eventlog.Log
	limits  Limits
	changed atomic.Pointer[func(name string)]
	effects *eventlog.Effects // calls changed
	edits   *eventlog.Effects // goes on with edits whose senders have given up
	self    string            // names this catalog in edits
	seed    maphash.Seed

	looks   *share.Slots // for reads of many streams or names
	cloning *share.Slots // one slot, for the clone under way

	mu       sync.RWMutex
	opening  bool
	byName   map[string]*Database
	byID     map[string]*Database
	making   map[string]*Database // by id: those that are being made, and are charged already
	coming   string               // the name that a clone under way will have
	contents map[string]*contents // by id of the database
	accounts map[string]*usage
	retired  map[string]retired // names that were given up
	attended map[string]bool    // ids of edits that somebody works at
	kicked   map[string]bool    // names for which changed will be called
}

// OnChange registers f. From now on it is called with the name of each database whose grants, namespaces or name change, or
// that is destroyed. Whoever made the change waits for the call. Only the last f is called.
func (c *Catalog) OnChange(f func(name string)) { c.changed.Store(&f) }

// kick has changed called soon. The caller has locked c.mu.
func (c *Catalog) kick(name string) {
	f := c.changed.Load()
	if f == nil || c.kicked[name] {
		return
	}
	c.kicked[name] = true
	c.effects.Do(func() {
		c.mu.Lock()
		delete(c.kicked, name)
		c.mu.Unlock()
		(*f)(name)
	})
}

func (c *Catalog) find(name string) (*Database, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if d := c.byName[name]; d != nil {
		return d, nil
	}
	return nil, noDatabase(name)
}

// Exists reports whether there is a database of this name.
func (c *Catalog) Exists(name string) bool {
	_, err := c.find(name)
	return err == nil
}

// Names are the names of the databases, sorted.
func (c *Catalog) Names() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Sorted(maps.Keys(c.byName))
}

// Role is the role of an account in a database.
func (c *Catalog) Role(name, account string) Role {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if d := c.byName[name]; d != nil {
		return d.info.Grants[account]
	}
	return None
}

// CheckName refuses an invalid name of a database. The name occurs in patterns ($db/NAME) and in paths.
func CheckName(name string) error {
	if err := channel.CheckName(name); err != nil {
		return fmt.Errorf("%w: it %w", ErrName, err)
	}
	if strings.ContainsAny(name, "/?#%") {
		return fmt.Errorf("%w: it contains one of / ? # %%", ErrName)
	}
	return nil
}

// free returns an error if an account cannot make a database of this name now, else the conditions that this stays so.
func (c *Catalog) free(name, account string) ([]eventlog.Condition, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	c.mu.RLock()
	coming, full := c.coming == name, len(c.byName)+len(c.making) >= maxDatabases
	c.mu.RUnlock()
	switch {
	case coming:
		return nil, taken(name)
	case full:
		return nil, fmt.Errorf("%w: %d databases", ErrTooMany, maxDatabases)
	}
	return c.vacant(name, account)
}

func taken(name string) error { return fmt.Errorf("%w: there is a database %q", ErrTaken, name) }

// vacant is free for a name that this catalog has reserved.
func (c *Catalog) vacant(name, account string) ([]eventlog.Condition, error) {
	now, err := c.log.Row(rowDatabase + name)
	if err != nil {
		return nil, err
	}
	if now != nil {
		return nil, taken(name)
	}
	old, err := c.log.Row(rowRetired + name)
	if err != nil {
		return nil, err
	}
	if old != nil {
		r, err := readRetired(old)
		if err == nil {
			err = r.openTo(name, account)
		}
		if err != nil {
			return nil, err
		}
	}
	return []eventlog.Condition{eventlog.RowIs(rowDatabase+name, nil), eventlog.RowIs(rowRetired+name, old)}, nil
}

// retry calls f until it meets no change of others, and then waits for the effects.
func (c *Catalog) retry(ctx context.Context, f func() error) error {
	err := c.log.Retry(ctx, f)
	c.effects.Wait()
	return err
}

// commit appends a request that changes the catalog.
func (c *Catalog) commit(ctx context.Context, r *eventlog.Request) error {
	// A client that leaves must not make the outcome unknown.
	_, err := c.log.Append(context.WithoutCancel(ctx), r)
	return err
}

// Create makes an empty database. owner, unless "", gets the role Owner and is charged for the database.
func (c *Catalog) Create(ctx context.Context, name, owner string) error {
	if _, err := c.free(name, owner); err != nil {
		return err
	}
	made := newDatabase(name, owner)
	if err := c.enter(made); err != nil {
		return err
	}
	defer c.leave(made)
	err := c.retry(ctx, func() error {
		conditions, err := c.vacant(name, owner)
		if err != nil {
			return err
		}
		// A clone of an older version may have left events behind.
		return c.commit(ctx, &eventlog.Request{
			Edit: &eventlog.Edit{Drop: []string{Space(name)}}, Rows: []eventlog.Row{row(name, made.info), revived(name)}, If: conditions,
		})
	})
	if err != nil {
		return fmt.Errorf("creating database %q: %w", name, err)
	}
	return nil
}

// Destroy deletes a database and all its contents, for an account; "" is root. The name is retired.
func (c *Catalog) Destroy(ctx context.Context, name, by string) error {
	err := c.retry(ctx, func() error {
		d, err := c.read(name)
		if err == nil {
			err = d.owned(by)
		}
		if err != nil {
			return err
		}
		return c.commit(ctx, &eventlog.Request{
			Edit: &eventlog.Edit{Drop: []string{Space(name)}, DropRows: rowsOf(d.ID)},
			Rows: []eventlog.Row{{Key: rowDatabase + name}, retire(d, by)}, If: []eventlog.Condition{d.is()}, FromReserve: true,
		})
	})
	if err != nil {
		return fmt.Errorf("destroying database %q: %w", name, err)
	}
	return nil
}

// rowsOf are the prefixes of the rows that belong to a database.
func rowsOf(id string) []string { return []string{rowNamespace + id + "/", rowAnnotation + id + "/"} }

// Rename gives a database another name, for an account; "" is root. Grants for the old name no longer apply to it, nor
// to any other database, as the old name is retired.
func (c *Catalog) Rename(ctx context.Context, name, to, by string) error {
	err := c.retry(ctx, func() error {
		d, err := c.idle(ctx, name)
		if err == nil {
			err = d.owned(by)
		}
		if err != nil {
			return err
		}
		conditions, err := c.free(to, by)
		if err == nil {
			err = c.mayRetire(by)
		}
		if err != nil {
			return err
		}
		// A clone of an older version may have left events under the new name.
		return c.commit(ctx, &eventlog.Request{
			Edit: &eventlog.Edit{Drop: []string{Space(to)}, Rename: [2]string{Space(name), Space(to)}},
			Rows: []eventlog.Row{{Key: rowDatabase + name}, retire(d, by), {Key: rowDatabase + to, Value: d.value}, revived(to)},
			If:   append(conditions, d.is()),
		})
	})
	if err != nil {
		return fmt.Errorf("renaming database %q: %w", name, err)
	}
	return nil
}

// Grant gives an account a role in a database. None removes the role.
func (c *Catalog) Grant(ctx context.Context, name, account string, role Role) error {
	err := c.retry(ctx, func() error {
		d, err := c.read(name)
		if err != nil {
			return err
		}
		next := d.info
		if next.Grants = maps.Clone(next.Grants); next.Grants == nil {
			next.Grants = map[string]Role{}
		}
		if next.Grants[account] = role; role == None {
			delete(next.Grants, account)
		}
		if len(next.Grants) > maxGrants {
			return fmt.Errorf("%w: %d accounts have a role in %q", ErrTooMany, maxGrants, name)
		}
		row, err := d.becomes(next)
		if err != nil {
			return err
		}
		withdrawn := role < d.Grants[account]
		return c.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{row}, If: []eventlog.Condition{d.is()}, FromReserve: withdrawn})
	})
	if err != nil {
		return fmt.Errorf("granting in database %q: %w", name, err)
	}
	return nil
}
