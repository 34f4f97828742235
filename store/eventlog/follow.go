package eventlog

import (
	"fmt"
	"strings"
)

// Some state lives in rows and in memory: keys, users, databases, counts. The rows are the truth, and the memory follows
// them: a follower sees what every commit stores, before its sender gets the answer. So a change whose sender gave up is
// in force as soon as it is stored, and so is a change that another process made.

// Changes are what one commit changed in the rows under a prefix, in order: first all rows under the Dropped prefixes were
// deleted, then the Rows were set, or deleted where the value is nil.
type Changes struct {
	Dropped []string
	Rows    []Row
	Made    int // how many keyed spaces of the Rows were not there before. A follower that counts them need not know each
}

type follower struct {
	prefix string
	f      func(Changes)
}

// followBatch is the number of present rows that a new follower gets in one call.
const followBatch = 1000

// Follow calls f with all rows under a prefix that are there, and from then on with what each commit changes under it. f
// runs while the log is locked: it must be short, and must not wait for the log. If f has to start something long, it does
// so in a goroutine, and whoever made the change waits for that.
func (l *Log) Follow(prefix string, f func(Changes)) error {
	l.applying.Lock()
	defer l.applying.Unlock()
	var c Changes
	err := l.engine.Rows(prefix, func(r Row) error {
		if c.Rows = append(c.Rows, r); strings.HasPrefix(r.Key, keyedRow) {
			c.Made++
		}
		if len(c.Rows) == followBatch {
			f(c)
			c = Changes{}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the rows of %s: %w", prefix, err)
	}
	if len(c.Rows) > 0 {
		f(c)
	}
	l.followers = append(l.followers, follower{prefix, f})
	return nil
}

// follow calls the followers of what a group has changed. made are the keyed spaces that it has made.
func (l *Log) follow(g *Group, made []string) {
	if len(g.Rows) == 0 && (g.Edit == nil || len(g.Edit.DropRows) == 0) {
		return
	}
	for _, to := range l.followers {
		var c Changes
		if g.Edit != nil {
			for _, prefix := range g.Edit.DropRows {
				if strings.HasPrefix(prefix, to.prefix) || strings.HasPrefix(to.prefix, prefix) {
					c.Dropped = append(c.Dropped, prefix)
				}
			}
		}
		for _, r := range g.Rows {
			if strings.HasPrefix(r.Key, to.prefix) {
				c.Rows = append(c.Rows, r)
			}
		}
		for _, space := range made {
			if strings.HasPrefix(keyedRow+space, to.prefix) {
				c.Made++
			}
		}
		if len(c.Rows)+len(c.Dropped) > 0 {
			to.f(c)
		}
	}
}

// Derived is a change of one row that others are derived from. A nil value means that there is no row.
type Derived struct {
	Key     string
	Was, Is []byte
}

// Derivation returns the rows that follow from what one request changes. It is a function of its input and of what it
// reads alone: it may be called more than once for a request.
type Derivation func(read func(key string) ([]byte, error), changes []Derived) ([]Row, error)

type deriver struct {
	prefix string
	f      Derivation
}

// Derive sets the function that derives rows, such as those of an index, from the rows under a prefix. They are stored in
// the same commit. They are no part of a request, so each process derives its own; nobody else may write them. f does not
// learn of DropRows. Call Derive before the first Append, and Local to derive from the rows that are there.
func (l *Log) Derive(prefix string, f Derivation) {
	l.applying.Lock()
	defer l.applying.Unlock()
	l.derivers = append(l.derivers, deriver{prefix, f})
}

// Local stores rows that were derived, on this process alone. f gets the rows as they are between two commits, and
// returns the rows to store and the prefixes to drop first. Commits wait meanwhile, so f must be short.
func (l *Log) Local(f func(now Lookup) (rows []Row, drop []string, err error)) error {
	l.applying.Lock()
	defer l.applying.Unlock()
	rows, drop, err := f(l.engine)
	if err != nil || len(rows)+len(drop) == 0 {
		return err
	}
	g := &Group{Applied: l.committer.applied, Rows: rows}
	if len(drop) > 0 {
		g.Edit = &Edit{DropRows: drop}
	}
	l.committer.rows.clear() // it may have what g replaces
	if err := l.engine.Commit(g); err != nil {
		return fmt.Errorf("storing derived rows: %w", err)
	}
	l.follow(g, nil)
	return nil
}

// derive appends to rows those that are derived from them.
func (c *committer) derive(rows []Row) ([]Row, error) {
	given := rows
	for _, d := range c.log.derivers {
		var changes []Derived
		for _, r := range given {
			if !strings.HasPrefix(r.Key, d.prefix) {
				continue
			}
			was, err := c.row(r.Key)
			if err != nil {
				return nil, err
			}
			changes = append(changes, Derived{r.Key, was, r.Value})
		}
		if len(changes) == 0 {
			continue
		}
		derived, err := d.f(c.row, changes)
		if err != nil {
			return nil, fmt.Errorf("%w: deriving rows of %s: %w", ErrUnavailable, d.prefix, err)
		}
		rows = append(rows, derived...)
	}
	return rows, nil
}
