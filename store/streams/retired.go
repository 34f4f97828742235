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

// retire returns the row of a name that an account, or root, gives up.
func retire(d *asRead, by string) eventlog.Row {
	return retired{Account: by, Maker: by != "" && by == d.Account}.row(d.name)
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

// openTo returns an error if the account may not use the retired name.
func (r retired) openTo(name, account string) error {
	if account == "" || r.Maker && r.Account == account {
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

func readRetired(value []byte) (r retired, err error) {
	if err = json.Unmarshal(value, &r); err != nil {
		err = fmt.Errorf("reading a name that was given up: %w", err)
	}
	return r, err
}

// putRetired takes the new value of a retired name's row.
func (c *Catalog) putRetired(name string, value []byte) error {
	var r retired
	if value != nil {
		var err error
		if r, err = readRetired(value); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, there := c.retired[name]; there {
		delete(c.retired, name)
		if u := c.account(old.Account); u != nil {
			u.retired--
			c.forget(old.Account)
		}
	}
	if value == nil {
		return nil
	}
	c.retired[name] = r
	if u := c.account(r.Account); u != nil {
		u.retired++
	}
	return nil
}
