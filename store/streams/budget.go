package streams

import (
	"fmt"
	"time"

	"sluice/store/eventlog"
)

// Limits bound what databases make the disk hold; zero is without bound. An account is charged for the databases that it
// made, whoever writes into them. Those that root made are charged to nobody.
type Limits struct {
	Databases     int   // of one account
	DatabaseBytes int64 // in one database
	AccountBytes  int64 // in all databases of one account
}

// Bounds that no setting changes.
const (
	maxDatabases       = 10_000   // of all accounts
	maxNamespaces      = 100_000  // of one database
	maxNamespaceBytes  = 1 << 20  // of their names, which are held in memory
	maxGrants          = 10_000   // of one database
	maxAnnotationBytes = 64 << 20 // of one database: renaming or copying it holds them in memory
	maxRetired         = 10_000   // names that one account gave up
)

// rowWeight is about what a row takes beside its texts.
const rowWeight = 64

// weightOf is what a row is counted as.
func weightOf(r eventlog.Row) int64 { return int64(rowWeight + len(r.Key) + len(r.Value)) }

// usage is what an account is charged for; Catalog.mu.
type usage struct {
	databases int
	bytes     int64
	retired   int
	recounted time.Time // when its databases were counted again last
}

// held is what a database holds; Catalog.mu.
type held struct {
	events      int64 // bytes of events, those that are being stored included
	pending     int64 // of events, the bytes of those
	rows        int64 // bytes of namespaces and annotations
	annotations int64 // of rows, the bytes of annotations
	changes     uint64
	recounted   time.Time // of a database of root's: when it was counted again last
}

// account is what an account is charged for. For root it is nil, and c.mu must be held.
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

// forget drops an account that nothing is charged to; c.mu must be held.
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

// mayRetire refuses an account that has given up as many names as it may: who makes a
// database gives up its name one day.
func (u *usage) mayRetire() error {
	if u.retired >= maxRetired {
		return fmt.Errorf("%w: the account has given up %d names of databases; only root can make or rename any for it", ErrTooMany, u.retired)
	}
	return nil
}

// leave takes a database that is gone, with all it held, off its account.
func (c *Catalog) leave(d *Database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if u := c.account(d.info.Account); u != nil {
		u.databases--
		u.bytes -= d.held.events + d.held.rows
		c.forget(d.info.Account)
	}
	d.held = held{}
}

// charge counts bytes of events that are about to be stored in a database, and of rows. Below zero it gives back.
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
	if now := d.held.events + d.held.rows; n > 0 && c.limits.DatabaseBytes > 0 && now+n > c.limits.DatabaseBytes {
		return fmt.Errorf("%w: database %q would hold %d bytes; MAX_DATABASE_BYTES allows %d", ErrFull, d.name, now+n, c.limits.DatabaseBytes)
	}
	if n > 0 && u != nil && c.limits.AccountBytes > 0 && u.bytes+n > c.limits.AccountBytes {
		// How much that account holds is nobody's business who only writes here.
		return fmt.Errorf("%w: the databases of the account that made %q would hold more than MAX_ACCOUNT_BYTES allows, %d bytes", ErrFull, d.name, c.limits.AccountBytes)
	}
	d.held.events += events
	d.held.rows += rows
	d.held.pending += events
	if u != nil {
		u.bytes += n
	}
	return nil
}

// settle ends a charge: what was stored, or may have been, stays.
func (c *Catalog) settle(d *Database, events, rows int64, stays bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.held.pending -= events
	d.held.changes++
	if stays {
		return
	}
	d.held.events -= events
	d.held.rows -= rows
	if u := c.account(d.info.Account); u != nil {
		u.bytes -= events + rows
	}
}

// change counts what was stored or taken away already.
func (c *Catalog) change(d *Database, events, rows int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.held.events += events
	d.held.rows += rows
	d.held.changes++
	if u := c.account(d.info.Account); u != nil {
		u.bytes += events + rows
	}
}

// recountEvery is how often databases are counted again, at most.
const recountEvery = time.Second

// recount asks the log how many bytes the databases of an account hold, and reports whether that has changed anything:
// DATA_DIR=memory lets go of old events, and of an event whose outcome was not known nobody can say whether it is there.
func (c *Catalog) recount(d *Database) (changed bool) {
	type seen struct {
		db      *Database
		name    string
		changes uint64
	}
	var all []seen
	c.mu.Lock()
	last := &d.held.recounted
	if u := c.account(d.info.Account); u != nil {
		last = &u.recounted
	}
	if now := time.Now(); now.Sub(*last) >= recountEvery {
		*last = now
		for name, o := range c.byName {
			if o == d || d.info.Account != "" && o.info.Account == d.info.Account {
				all = append(all, seen{o, name, o.held.changes})
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
		h := &s.db.held
		if c.byName[s.name] == s.db && h.pending == 0 && h.changes == s.changes && h.events != state.Bytes {
			if u := c.account(s.db.info.Account); u != nil {
				u.bytes += state.Bytes - h.events
			}
			h.events, changed = state.Bytes, true
		}
		c.mu.Unlock()
	}
	return changed
}
