package streams

import (
	"encoding/json"
	"fmt"

	"sluice/store/eventlog"
)

// Grants of keys and tokens name a database: $db/NAME. So that none of them ever means a database that it was not given
// for, a name that was in use is retired when its database is renamed or destroyed. Only root may give it to a database
// again, or the account that had made the database and gave up the name itself: the grants meant that account's
// database before, and do so then.

// rowRetired begins the rows of names that were given up.
const rowRetired = "db/r/" // NAME -> retired

// retired is a name that was given up.
type retired struct {
	Account string `json:"account,omitempty"` // who gave it up; "": root
	Maker   bool   `json:"maker,omitempty"`   // the account had made the database too, and may take the name again
}

// retire is the name of a database as it is after an account, or root, gave it up, and its row.
func retire(d *Database, by string) (retired, eventlog.Row) {
	r := retired{Account: by, Maker: by != "" && by == d.info.Account}
	return r, r.row(d.name)
}

func (r retired) row(name string) eventlog.Row {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // texts always can
	}
	return eventlog.Row{Key: rowRetired + name, Value: text}
}

// revived is the row of a name that is taken again.
func revived(name string) eventlog.Row { return eventlog.Row{Key: rowRetired + name} }

// openTo reports, by an error, that a name was given up and that an account may not take it; c.mu must be held.
func (c *Catalog) openTo(name, account string) error {
	r, there := c.retired[name]
	if !there || account == "" || r.Maker && r.Account == account {
		return nil
	}
	return fmt.Errorf("%w: a database was called %q before, and keys may still name it; only root can use the name again", ErrTaken, name)
}

// mayRetire refuses an account that has given up too many names.
func (c *Catalog) mayRetire(account string) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if u := c.accounts[account]; u != nil {
		return u.mayRetire()
	}
	return nil
}

// setRetired notes that a name was given up; c.mu must be held.
func (c *Catalog) setRetired(name string, r retired) {
	c.retired[name] = r
	if u := c.account(r.Account); u != nil {
		u.retired++
	}
}

// setRevived notes that a name is in use again; c.mu must be held.
func (c *Catalog) setRevived(name string) {
	r, there := c.retired[name]
	if !there {
		return
	}
	delete(c.retired, name)
	if u := c.account(r.Account); u != nil {
		u.retired--
		c.forget(r.Account)
	}
}

// readRetired reads the rows of names that were given up.
func (c *Catalog) readRetired() error {
	return c.log.Rows(rowRetired, func(row eventlog.Row) error {
		var r retired
		name := row.Key[len(rowRetired):]
		if err := json.Unmarshal(row.Value, &r); err != nil {
			return fmt.Errorf("the row of the name %q: %w", name, err)
		}
		c.setRetired(name, r)
		return nil
	})
}
