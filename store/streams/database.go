package streams

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// info is a database's row.
type info struct {
	ID      string          `json:"id"`
	Created time.Time       `json:"created"`
	Account string          `json:"account"`           // the account that made it and is charged for it; "": root
	Grants  map[string]Role `json:"grants"`            // by account
	Cloned  uint64          `json:"cloned,omitempty"`  // events up to this id are copies: their times differ from those of their ids
	Version uint64          `json:"version,omitempty"` // goes up with each commit of an edit, so that no two of its rows are equal
	Edit    *edit           `json:"edit,omitempty"`    // the edit under way; nobody may append meanwhile
}

// Database is a database under one name. A rename makes another Database.
type Database struct {
	name    string
	space   string // in the log
	id      string
	account string
	cloned  uint64

	// Catalog.mu guards these.
	info     info               // as in the row; nothing changes its map
	is       eventlog.Condition // that the row has not changed
	changed  chan struct{}      // closed with the next change of the row
	contents *contents
	usage    dbUsage
}

func newDatabase(name, owner string) *Database {
	i := info{ID: rand.Text(), Created: time.Now().UTC(), Account: owner, Grants: map[string]Role{}}
	if owner != "" {
		i.Grants[owner] = Owner
	}
	return &Database{name: name, id: i.ID, account: owner, info: i}
}

func row(name string, i info) eventlog.Row {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // never: texts, times and roles have JSON forms
	}
	return eventlog.Row{Key: rowDatabase + name, Value: text}
}

// readInfo reads the value of a database's row. Old rows have no account; then the only owner is charged.
func readInfo(value []byte) (*info, error) {
	i := &info{}
	var charged struct{ Account *string }
	if err := json.Unmarshal(value, i); err != nil {
		return nil, fmt.Errorf("reading a database's row: %w", err)
	}
	if err := json.Unmarshal(value, &charged); err != nil || charged.Account != nil {
		return i, err
	}
	var owners []string
	for account, role := range i.Grants {
		if role == Owner {
			owners = append(owners, account)
		}
	}
	if len(owners) == 1 {
		i.Account = owners[0]
	}
	return i, nil
}

// asRead is a database's row as the log has it.
type asRead struct {
	info
	name  string
	value []byte
}

// read reads a database's row, for a change of it.
func (c *Catalog) read(name string) (*asRead, error) {
	value, err := c.log.Row(rowDatabase + name)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, noDatabase(name)
	}
	i, err := readInfo(value)
	if err != nil {
		return nil, err
	}
	return &asRead{*i, name, value}, nil
}

func noDatabase(name string) error { return fmt.Errorf("%w: %q", ErrNoDatabase, name) }

// idle is read for changes that must not come between the commits of an edit. While one is under way, it waits for a
// while and then returns ErrRow, so that the caller tries again.
func (c *Catalog) idle(ctx context.Context, name string) (*asRead, error) {
	r, err := c.read(name)
	if err != nil || r.Edit == nil {
		return r, err
	}
	if err := c.await(ctx, name); err != nil {
		return nil, err
	}
	return nil, eventlog.ErrRow
}

// is is the condition that the row has not changed.
func (r *asRead) is() eventlog.Condition { return eventlog.RowIs(rowDatabase+r.name, r.value) }

// becomes is the row with another value. It keeps what a newer version has written.
func (r *asRead) becomes(next info) (eventlog.Row, error) {
	value, err := rows.Update(r.value, next)
	return eventlog.Row{Key: rowDatabase + r.name, Value: value}, err
}

// owned returns an error if an account does not own the database. The account's role was checked before, but may have
// changed since, and the name may now be another database's. "" is root.
func (r *asRead) owned(account string) error {
	if account == "" || r.Grants[account] == Owner {
		return nil
	}
	return noDatabase(r.name)
}

// put takes the new value of a database's row.
func (c *Catalog) put(name string, value []byte) error {
	var i *info
	if value != nil {
		var err error
		if i, err = readInfo(value); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.byName[name]
	if d != nil && (i == nil || i.ID != d.id) {
		c.remove(d)
		d = nil
	}
	if i == nil {
		return nil
	}
	var err error
	switch {
	case d == nil:
		d, err = c.add(name, i)
	case !maps.Equal(d.info.Grants, i.Grants):
		c.kick(name)
	}
	d.info, d.is = *i, eventlog.RowIs(rowDatabase+name, value)
	close(d.changed)
	d.changed = make(chan struct{})
	c.takeUp(d)
	if !c.opening {
		err = nil // the next count finds what could not be read
	}
	return err
}

// add adds a database. The caller has locked c.mu.
func (c *Catalog) add(name string, i *info) (*Database, error) {
	if made := c.making[i.ID]; made != nil {
		c.unmake(made)
	}
	d := &Database{name: name, space: Space(name), id: i.ID, account: i.Account, cloned: i.Cloned, changed: make(chan struct{}), contents: c.contentsOf(i.ID)}
	state, err := c.log.State(Space(name))
	if err != nil {
		err = fmt.Errorf("reading what database %q holds: %w", name, err)
	}
	d.usage.events = state.Bytes
	c.byName[name], c.byID[d.id] = d, d
	if u := c.account(d.account); u != nil {
		u.databases++
		u.bytes += d.held()
	}
	return d, err
}

// remove removes a database. The caller has locked c.mu.
func (c *Catalog) remove(d *Database) {
	delete(c.byName, d.name)
	delete(c.byID, d.id)
	if u := c.account(d.account); u != nil {
		u.databases--
		u.bytes -= d.held()
		c.forget(d.account)
	}
	c.tidy(d.id)
	close(d.changed)
	c.kick(d.name)
}
