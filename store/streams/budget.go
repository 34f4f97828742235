package streams

import (
	"fmt"
	"time"

	"sluice/store/eventlog"
)

// Limits bound the disk space of databases. Zero means no bound. An account is charged for the databases that it made,
// whoever writes to them. Nobody is charged for those that root made.
type Limits struct {
	Databases     int   // of one account
	DatabaseBytes int64 // in one database
	AccountBytes  int64 // in all databases of one account
}

// Bounds that no setting changes.
const (
	maxDatabases       = 10_000   // of all accounts
	maxNamespaces      = 100_000  // of one database
	maxNamespaceBytes  = 1 << 20  // of their names, which are in memory
	maxGrants          = 10_000   // of one database
	maxAnnotationBytes = 64 << 20 // of one database; a rename or a clone has them all in memory
	maxRetired         = 10_000   // names that one account has given up
)

// rowWeight is about the size of a row without its texts.
const rowWeight = 64

// weightOf is the number of bytes that a row is charged as.
func weightOf(r eventlog.Row) int64 { return int64(rowWeight + len(r.Key) + len(r.Value)) }

// usage is what an account is charged for. Catalog.mu guards it.
type usage struct {
	databases int
	bytes     int64
	retired   int
	recounted time.Time // when its databases were last counted again
}

// dbUsage is what a database takes. Catalog.mu guards it.
type dbUsage struct {
	events      int64 // bytes of events, including those that are being stored
	pending     int64 // the part of events that is being stored
	rows        int64 // bytes of namespaces and annotations
	annotations int64 // the part of rows for annotations
	changes     uint64
	recounted   time.Time // if root made the database: when it was last counted again
}

// account returns what an account is charged for, or nil for root. The caller has locked c.mu.
func (c *Catalog) account(name string) *usage {
	if name == "" {
		return nil
	}
	u := c.accounts[name]
	if u == nil {
		u = &usage{}
		c.accounts[name] = u
	}
	return u
}

// forget drops an account that nothing is charged to. The caller has locked c.mu.
func (c *Catalog) forget(name string) {
	if u := c.accounts[name]; u != nil && u.databases == 0 && u.bytes == 0 && u.retired == 0 {
		delete(c.accounts, name)
	}
}

// enter charges a new database to its account.
func (c *Catalog) enter(d *Database) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.account(d.info.Account)
	if u == nil {
		return nil
	}
	defer c.forget(d.info.Account)
	if most := c.limits.Databases; most > 0 && u.databases >= most {
		return fmt.Errorf("%w: the account has made %d databases, as many as MAX_DATABASES allows", ErrTooMany, u.databases)
	}
	if err := u.mayRetire(); err != nil {
		return err
	}
	u.databases++
	return nil
}

// mayRetire refuses an account that has given up as many names as it may. It is checked when a database is made, since
// its name will be given up some day.
func (u *usage) mayRetire() error {
	if u.retired >= maxRetired {
		return fmt.Errorf("%w: the account has given up %d names of databases; only root can make or rename databases for it", ErrTooMany, u.retired)
	}
	return nil
}

// leave removes a database and its bytes from its account.
func (c *Catalog) leave(d *Database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.account(d.info.Account); u != nil {
		u.databases--
		u.bytes -= d.usage.events + d.usage.rows
		c.forget(d.info.Account)
	}
	d.usage = dbUsage{}
}

// charge counts bytes of events and rows that are about to be stored in a database. Negative numbers give back.
func (c *Catalog) charge(d *Database, events, rows int64) error {
	err := c.tryCharge(d, events, rows)
	if err != nil && c.recount(d) {
		err = c.tryCharge(d, events, rows)
	}
	return err
}

func (c *Catalog) tryCharge(d *Database, events, rows int64) error {
	n := events + rows
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.account(d.info.Account)
	if now := d.usage.events + d.usage.rows; n > 0 && c.limits.DatabaseBytes > 0 && now+n > c.limits.DatabaseBytes {
		return fmt.Errorf("%w: database %q would hold %d bytes; MAX_DATABASE_BYTES allows %d", ErrFull, d.name, now+n, c.limits.DatabaseBytes)
	}
	if n > 0 && u != nil && c.limits.AccountBytes > 0 && u.bytes+n > c.limits.AccountBytes {
		// The text does not say how much the account uses, as a writer need not know that.
		return fmt.Errorf("%w: the databases of the account that made %q would hold more than MAX_ACCOUNT_BYTES allows, %d bytes", ErrFull, d.name, c.limits.AccountBytes)
	}
	d.usage.events += events
	d.usage.rows += rows
	d.usage.pending += events
	if u != nil {
		u.bytes += n
	}
	return nil
}

// settle ends a charge. What was stored, or may have been stored, stays charged.
func (c *Catalog) settle(d *Database, events, rows int64, stays bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.usage.pending -= events
	d.usage.changes++
	if stays {
		return
	}
	d.usage.events -= events
	d.usage.rows -= rows
	if u := c.account(d.info.Account); u != nil {
		u.bytes -= events + rows
	}
}

// change counts what was already stored or removed.
func (c *Catalog) change(d *Database, events, rows int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.usage.events += events
	d.usage.rows += rows
	d.usage.changes++
	if u := c.account(d.info.Account); u != nil {
		u.bytes += events + rows
	}
}

// recountEvery is the shortest time between two counts of the same databases.
const recountEvery = time.Second

// recount asks the log how many bytes the databases of an account take. It reports whether that changed anything. It is
// needed for two reasons: DATA_DIR=memory drops old events, and an event with an unknown outcome may not have been
// stored.
func (c *Catalog) recount(d *Database) (changed bool) {
	type seen struct {
		db      *Database
		name    string
		changes uint64
	}
	var all []seen
	c.mu.Lock()
	last := &d.usage.recounted
	if u := c.account(d.info.Account); u != nil {
		last = &u.recounted
	}
	if now := time.Now(); now.Sub(*last) >= recountEvery {
		*last = now
		for name, o := range c.byName {
			if o == d || d.info.Account != "" && o.info.Account == d.info.Account {
				all = append(all, seen{o, name, o.usage.changes})
			}
		}
	}
	c.mu.Unlock()
	for _, s := range all {
		state, err := c.log.State(Space(s.name))
		if err != nil {
			return changed
		}
		c.mu.Lock()
		current := &s.db.usage
		if c.byName[s.name] == s.db && current.pending == 0 && current.changes == s.changes && current.events != state.Bytes {
			if u := c.account(s.db.info.Account); u != nil {
				u.bytes += state.Bytes - current.events
			}
			current.events, changed = state.Bytes, true
		}
		c.mu.Unlock()
	}
	return changed
}
