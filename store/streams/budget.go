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
	recounted recounted
}

// dbUsage is what a database takes besides its contents. Catalog.mu guards it.
type dbUsage struct {
	events    int64  // bytes of events, including those that are being stored
	pending   charge // what is being stored
	changes   uint64
	recounted recounted // if root made the database
}

// charge is bytes that are about to be stored.
type charge struct {
	events      int64
	rows        int64
	annotations int64 // the part of rows for annotations
}

// held is how many bytes a database takes, including those that are being stored. The caller has locked c.mu.
func (d *Database) held() int64 { return d.usage.events + d.usage.pending.rows + d.contents.bytes }

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

// enter charges a database that is being made to its account, until unmake or add.
func (c *Catalog) enter(d *Database) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byName)+len(c.making) >= maxDatabases {
		return fmt.Errorf("%w: %d databases", ErrTooMany, maxDatabases)
	}
	if u := c.account(d.account); u != nil {
		defer c.forget(d.account)
		if most := c.limits.Databases; most > 0 && u.databases >= most {
			return fmt.Errorf("%w: the account has made %d databases, as many as MAX_DATABASES allows", ErrTooMany, u.databases)
		}
		if err := u.mayRetire(); err != nil {
			return err
		}
		u.databases++
	}
	d.contents = c.contentsOf(d.id)
	c.making[d.id] = d
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

// leave ends enter, if the database was not made.
func (c *Catalog) leave(d *Database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.making[d.id] == d {
		c.unmake(d)
		c.tidy(d.id)
	}
}

// unmake takes a database that is being made from its account. The caller has locked c.mu.
func (c *Catalog) unmake(d *Database) {
	delete(c.making, d.id)
	if u := c.account(d.account); u != nil {
		u.databases--
		u.bytes -= d.held()
		c.forget(d.account)
	}
}

// current reports whether a database is there, or is being made. The caller has locked c.mu.
func (c *Catalog) current(d *Database) bool { return c.byID[d.id] == d || c.making[d.id] == d }

// charge counts bytes that are about to be stored in a database.
func (c *Catalog) charge(d *Database, n charge) error {
	c.watch(d)
	err := c.tryCharge(d, n)
	if err != nil && c.recount(d, failed) {
		err = c.tryCharge(d, n)
	}
	return err
}

func (c *Catalog) tryCharge(d *Database, n charge) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.current(d) {
		return noDatabase(d.name)
	}
	all := n.events + n.rows
	u := c.account(d.account)
	if now := d.held(); all > 0 && c.limits.DatabaseBytes > 0 && now+all > c.limits.DatabaseBytes {
		return fmt.Errorf("%w: database %q would hold %d bytes; MAX_DATABASE_BYTES allows %d", ErrFull, d.name, now+all, c.limits.DatabaseBytes)
	}
	if all > 0 && u != nil && c.limits.AccountBytes > 0 && u.bytes+all > c.limits.AccountBytes {
		// The text does not say how much the account uses, as a writer need not know that.
		return fmt.Errorf("%w: the databases of the account that made %q would hold more than MAX_ACCOUNT_BYTES allows, %d bytes", ErrFull, d.name, c.limits.AccountBytes)
	}
	if n.annotations > 0 && d.contents.annotated+d.usage.pending.annotations+n.annotations > maxAnnotationBytes {
		return fmt.Errorf("%w: the annotations of database %q may take %d bytes", ErrFull, d.name, maxAnnotationBytes)
	}
	d.usage.events += n.events
	d.usage.pending.add(n, 1)
	if u != nil {
		u.bytes += all
	}
	return nil
}

func (p *charge) add(n charge, sign int64) {
	p.events += sign * n.events
	p.rows += sign * n.rows
	p.annotations += sign * n.annotations
}

// settle ends a charge. Events that were stored, or may have been stored, stay charged. Rows do not: they count as
// soon as they are stored.
func (c *Catalog) settle(d *Database, n charge, stays bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.current(d) {
		return
	}
	d.usage.pending.add(n, -1)
	back := n.rows
	if !stays {
		d.usage.events -= n.events
		back += n.events
	}
	d.usage.changes++
	if u := c.account(d.account); u != nil {
		u.bytes -= back
	}
}

// freed counts bytes of events that an edit has removed from a database.
func (c *Catalog) freed(id string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.byID[id]
	if d == nil {
		return
	}
	d.usage.events -= n
	d.usage.changes++
	if u := c.account(d.account); u != nil {
		u.bytes -= n
	}
}

// The shortest times between two counts of the same databases. A count because of a charge that failed finds room. The
// other ones find what other processes have stored; each takes up to 50 ms, for 10,000 databases of one account.
const (
	recountEvery = time.Second
	watchEvery   = 10 * time.Second
)

// recounted is when databases were last counted again, by reason.
type recounted [2]time.Time

// Why databases are counted again.
const (
	failed = iota
	watched
)

// watch counts again from time to time, if there is a bound.
func (c *Catalog) watch(d *Database) {
	if c.limits.DatabaseBytes > 0 || c.limits.AccountBytes > 0 {
		c.recount(d, watched)
	}
}

// due reports whether the databases of an account must be counted again, and notes that they are.
func (c *Catalog) due(d *Database, why int) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	last := &d.usage.recounted[why]
	if u := c.account(d.account); u != nil {
		last = &u.recounted[why]
	}
	every := recountEvery
	if why == watched {
		every = watchEvery
	}
	if now.Sub(*last) < every {
		return false
	}
	*last = now
	return true
}

// recount asks the log how many bytes the databases of an account take. It reports whether that changed anything. It is
// needed for three reasons: DATA_DIR=memory drops old events, an event with an unknown outcome may not have been stored,
// and other processes store events.
func (c *Catalog) recount(d *Database, why int) (changed bool) {
	if !c.due(d, why) {
		return false
	}
	type seen struct {
		db      *Database
		changes uint64
	}
	var all []seen
	c.mu.RLock()
	for _, o := range c.byName {
		if o == d || d.account != "" && o.account == d.account {
			all = append(all, seen{o, o.usage.changes})
		}
	}
	c.mu.RUnlock()
	for _, s := range all {
		state, err := c.log.State(Space(s.db.name))
		if err != nil {
			return changed
		}
		c.mu.Lock()
		if c.counted(s.db, state.Bytes, s.changes) {
			changed = true
		}
		c.mu.Unlock()
	}
	return changed
}

// counted takes the number of bytes of a database's events that the log has counted after some changes. While events
// are being stored, only more than was known counts: others must have stored that. The caller has locked c.mu.
func (c *Catalog) counted(d *Database, bytes int64, changes uint64) bool {
	now := &d.usage
	still := now.pending.events == 0 && now.changes == changes
	if c.byName[d.name] != d || now.events == bytes || !still && now.events > bytes {
		return false
	}
	if u := c.account(d.account); u != nil {
		u.bytes += bytes - now.events
	}
	now.events = bytes
	return true
}
