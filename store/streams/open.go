package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// Open reads the catalog of a log.
func Open(log *eventlog.Log, limits Limits) (*Catalog, error) {
	c := &Catalog{
		log: log, limits: limits, cloning: share.NewSlots(1, clonesWaiting),
		looks:  share.NewSlots(max(1, runtime.GOMAXPROCS(0)/2), math.MaxInt), // no bound of its own: each that waits is a connection
		byName: map[string]*Database{}, accounts: map[string]*usage{}, retired: map[string]retired{},
	}
	byID := map[string]*Database{}
	err := log.Rows(rowDatabase, func(r eventlog.Row) error {
		d, err := readDatabase(r)
		if err == nil {
			c.byName[d.name], byID[d.info.ID] = d, d
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading databases: %w", err)
	}
	if err := c.dropCutOff(context.Background()); err != nil {
		return nil, fmt.Errorf("dropping what is left of a clone: %w", err)
	}
	if err := c.readRows(byID); err != nil {
		return nil, err
	}
	if err := c.readRetired(); err != nil {
		return nil, fmt.Errorf("reading names that were given up: %w", err)
	}
	for name, d := range c.byName {
		state, err := log.State(Space(name))
		if err != nil {
			return nil, fmt.Errorf("reading what database %q holds: %w", name, err)
		}
		d.usage.events = state.Bytes
		if u := c.account(d.info.Account); u != nil {
			u.databases++
			u.bytes += d.usage.events + d.usage.rows
		}
	}
	return c, nil
}

// readDatabase reads a database's row. Old rows have no account; then the only owner is charged.
func readDatabase(r eventlog.Row) (*Database, error) {
	d := &Database{name: strings.TrimPrefix(r.Key, rowDatabase), namespaces: map[string]bool{}}
	var charged struct{ Account *string }
	if err := json.Unmarshal(r.Value, &d.info); err != nil {
		return nil, fmt.Errorf("the row of database %q: %w", d.name, err)
	}
	if err := json.Unmarshal(r.Value, &charged); err != nil || charged.Account != nil {
		return d, err
	}
	var owners []string
	for account, role := range d.info.Grants {
		if role == Owner {
			owners = append(owners, account)
		}
	}
	if len(owners) == 1 {
		d.info.Account = owners[0]
	}
	return d, nil
}

// readRows reads the namespaces and counts their bytes and those of the annotations.
func (c *Catalog) readRows(byID map[string]*Database) error {
	err := c.log.Rows(rowNamespace, func(r eventlog.Row) error {
		id, namespace, _ := strings.Cut(strings.TrimPrefix(r.Key, rowNamespace), "/")
		if d := byID[id]; d != nil {
			d.setNamespace(namespace, true)
			d.usage.rows += weightOf(r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading namespaces: %w", err)
	}
	err = c.log.Rows(rowAnnotation, func(r eventlog.Row) error {
		id, _, _ := strings.Cut(strings.TrimPrefix(r.Key, rowAnnotation), "/")
		if d := byID[id]; d != nil {
			d.usage.rows += weightOf(r)
			d.usage.annotations += weightOf(r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading annotations: %w", err)
	}
	return nil
}
