package streams

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// info is a database's row.
type info struct {
	ID      string          `json:"id"`
	Created time.Time       `json:"created"`
	Account string          `json:"account"`          // the account that made it and is charged for it; "": root
	Grants  map[string]Role `json:"grants"`           // by account
	Cloned  uint64          `json:"cloned,omitempty"` // events up to this id are copies: their times differ from those of their ids
}

// Database is a database of the catalog.
type Database struct {
	using      sync.RWMutex // see the package comment
	annotating sync.Mutex   // locked while an annotation replaces another, so that the difference is counted right

	name       string
	info       info
	namespaces map[string]bool // changed by setNamespace
	names      int             // bytes of their names
	usage      dbUsage
}

// Space is the space of a database in the log.
func Space(name string) string { return channel.DBSpace + name }

// Catalog has all databases.
type Catalog struct {
	log     *eventlog.Log
	limits  Limits
	changed atomic.Pointer[func(name string)]

	looks    *share.Slots // for reads of many streams or names; taken after Database.using
	changing sync.Mutex   // locked by all that change the catalog; taken after Database.using
	cloning  *share.Slots // one slot, for the clone under way; taken first
	mu       sync.RWMutex
	byName   map[string]*Database
	coming   string // the name that a clone under way will have
	accounts map[string]*usage
	retired  map[string]retired // names that were given up
}

// OnChange registers f. From now on it is called with the name of each database whose grants, namespaces or name change, or
// that is destroyed.
// Only the last f is called.
func (c *Catalog) OnChange(f func(name string)) { c.changed.Store(&f) }

func (c *Catalog) notify(name string) {
	if f := c.changed.Load(); f != nil {
		(*f)(name)
	}
}

func (c *Catalog) find(name string) (*Database, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if d := c.byName[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNoDatabase, name)
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

// free returns an error if an account cannot make a database of this name now.
func (c *Catalog) free(name, account string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	switch {
	case c.byName[name] != nil || c.coming == name:
		return fmt.Errorf("%w: there is a database %q", ErrTaken, name)
	case len(c.byName) >= maxDatabases:
		return fmt.Errorf("%w: %d databases", ErrTooMany, maxDatabases)
	}
	return c.openTo(name, account)
}

// Create makes an empty database. owner, unless "", gets the role Owner and is charged for the database.
func (c *Catalog) Create(ctx context.Context, name, owner string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.create(ctx, name, owner) })
}

func (c *Catalog) create(ctx context.Context, name, owner string) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.free(name, owner); err != nil {
		return err
	}
	d := newDatabase(name, owner)
	if err := c.enter(d); err != nil {
		return err
	}
	// An interrupted clone may have left events behind.
	if err := c.edit(ctx, &eventlog.Edit{Drop: []string{Space(name)}}, d.row(), revived(name)); err != nil {
		c.leave(d)
		return fmt.Errorf("creating database %q: %w", name, err)
	}
	c.put(d)
	return nil
}

func newDatabase(name, owner string) *Database {
	d := &Database{name: name, namespaces: map[string]bool{}, info: info{ID: rand.Text(), Created: time.Now().UTC(), Account: owner, Grants: map[string]Role{}}}
	if owner != "" {
		d.info.Grants[owner] = Owner
	}
	return d
}

func (d *Database) row() eventlog.Row { return row(d.name, d.info) }

func row(name string, i info) eventlog.Row {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // never: texts, times and roles have JSON forms
	}
	return eventlog.Row{Key: rowDatabase + name, Value: text}
}

func (c *Catalog) put(d *Database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byName[d.name] = d
	c.setRevived(d.name)
}

// edit commits an edit and rows; either may be empty.
func (c *Catalog) edit(ctx context.Context, edit *eventlog.Edit, rows ...eventlog.Row) error {
	return c.commit(ctx, &eventlog.Request{Edit: edit, Rows: rows})
}

func (c *Catalog) commit(ctx context.Context, r *eventlog.Request) error {
	// A client that leaves must not make the outcome unknown.
	_, err := c.log.Append(context.WithoutCancel(ctx), r)
	return err
}

// lock finds a database and locks everybody else out of it.
func (c *Catalog) lock(name string) (*Database, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	d.using.Lock()
	if d.name != name { // it was renamed or destroyed in between
		d.using.Unlock()
		return nil, fmt.Errorf("%w: %q", ErrNoDatabase, name)
	}
	return d, nil
}

// use is lock for callers that only append and read.
func (c *Catalog) use(name string) (*Database, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	if !d.using.TryRLock() {
		if c.log.Late() { // the change of this database may take long
			return nil, fmt.Errorf("%w: %w: an earlier change is not stored yet", eventlog.ErrUnavailable, eventlog.ErrNoAnswer)
		}
		d.using.RLock()
	}
	if d.name != name {
		d.using.RUnlock()
		return nil, fmt.Errorf("%w: %q", ErrNoDatabase, name)
	}
	return d, nil
}

// stillOwns returns an error if an account does not own a database any more. The caller may have waited long for a lock
// since the account's role was checked, and the name may now be another database's. "" is root.
func (c *Catalog) stillOwns(d *Database, account string) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if account == "" || d.info.Grants[account] == Owner {
		return nil
	}
	return fmt.Errorf("%w: %q", ErrNoDatabase, d.name)
}

// Destroy deletes a database and all its contents, for an account; "" is root. The name is retired.
func (c *Catalog) Destroy(ctx context.Context, name, by string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.destroy(ctx, name, by) })
}

func (c *Catalog) destroy(ctx context.Context, name, by string) error {
	d, err := c.lock(name) // before changing: others may use it for long, and grants must not wait for that
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.stillOwns(d, by); err != nil {
		return err
	}
	edit := &eventlog.Edit{Drop: []string{Space(name)}, DropRows: []string{rowNamespace + d.info.ID + "/", rowAnnotation + d.info.ID + "/"}}
	old, row := retire(d, by)
	if err := c.commit(ctx, &eventlog.Request{Edit: edit, Rows: []eventlog.Row{{Key: rowDatabase + name}, row}, FromReserve: true}); err != nil {
		return fmt.Errorf("destroying database %q: %w", name, err)
	}
	c.mu.Lock()
	delete(c.byName, name)
	c.setRetired(name, old)
	c.mu.Unlock()
	c.leave(d)
	d.name = ""
	c.notify(name)
	return nil
}

// Rename gives a database another name, for an account; "" is root. Grants for the old name no longer apply to it, nor
// to any other database, as the old name is retired.
func (c *Catalog) Rename(ctx context.Context, name, to, by string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.rename(ctx, name, to, by) })
}

func (c *Catalog) rename(ctx context.Context, name, to, by string) error {
	d, err := c.lock(name) // before changing: others may use it for long, and grants must not wait for that
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	c.changing.Lock()
	defer c.changing.Unlock()
	if err := c.stillOwns(d, by); err != nil {
		return err
	}
	if err := c.free(to, by); err != nil {
		return err
	}
	if err := c.mayRetire(by); err != nil {
		return err
	}
	old, retiring := retire(d, by)
	// An interrupted clone may have left events under the new name.
	edit := &eventlog.Edit{Drop: []string{Space(to)}, Rename: [2]string{Space(name), Space(to)}}
	if err := c.edit(ctx, edit, eventlog.Row{Key: rowDatabase + name}, retiring, row(to, d.info), revived(to)); err != nil {
		return fmt.Errorf("renaming database %q: %w", name, err)
	}
	c.mu.Lock()
	delete(c.byName, name)
	d.name = to
	c.byName[to] = d
	c.setRetired(name, old)
	c.setRevived(to)
	c.mu.Unlock()
	c.notify(name)
	return nil
}

// Grant gives an account a role in a database. None removes the role.
func (c *Catalog) Grant(ctx context.Context, name, account string, role Role) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.grant(ctx, name, account, role) })
}

func (c *Catalog) grant(ctx context.Context, name, account string, role Role) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	d, err := c.find(name)
	if err != nil {
		return err
	}
	i := d.info
	if i.Grants = maps.Clone(i.Grants); i.Grants == nil {
		i.Grants = map[string]Role{}
	}
	if i.Grants[account] = role; role == None {
		delete(i.Grants, account)
	}
	if len(i.Grants) > maxGrants {
		return fmt.Errorf("%w: %d accounts have a role in %q", ErrTooMany, maxGrants, name)
	}
	withdrawn := role < d.info.Grants[account]
	if err := c.commit(ctx, &eventlog.Request{Rows: []eventlog.Row{row(name, i)}, FromReserve: withdrawn}); err != nil {
		return fmt.Errorf("granting in database %q: %w", name, err)
	}
	c.mu.Lock()
	d.info.Grants = i.Grants // only Grants: the other fields are read without mu
	c.mu.Unlock()
	c.notify(name)
	return nil
}
