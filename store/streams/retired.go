package streams

import (
	"encoding/json"
	"fmt"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// Grants of keys and tokens name a database: $db/NAME. A grant must never apply to a database that it was not given
// for. So when a database is renamed or destroyed, its name is retired. Only two may use the name for a database again:
// root, and the account that had made the database and gave up the name itself. The grants were for that account's
// database before, and are so then.

// rowRetired begins the rows of retired names.
const rowRetired = rows.Retired

// retired is a name that was given up.
type retired struct {
	Account string `json:"account,omitempty"` // the account that gave it up; "": root
	Maker   bool   `json:"maker,omitempty"`   // the account had also made the database, so it may use the name again
}

// retire returns the retired name of a database that an account, or root, gives up, and its row.
func retire(d *Database, by string) (retired, eventlog.Row) {
	r := retired{Account: by, Maker: by != "" && by == d.info.Account}
	return r, r.row(d.name)
}

func (r retired) row(name string) eventlog.Row {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // never: texts have a JSON form
	}
	return eventlog.Row{Key: rowRetired + name, Value: text}
}

// revived is the row that makes a name usable again.
func revived(name string) eventlog.Row { return eventlog.Row{Key: rowRetired + name} }

// openTo returns an error if a name is retired and the account may not use it. The caller has locked c.mu.
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

// setRetired notes that a name was given up. The caller has locked c.mu.
func (c *Catalog) setRetired(name string, r retired) {
	c.retired[name] = r
	if u := c.account(r.Account); u != nil {
		u.retired++
	}
}

// setRevived notes that a name is in use again. The caller has locked c.mu.
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

// readRetired reads the rows of retired names.
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
