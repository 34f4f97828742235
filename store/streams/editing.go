package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"sluice/store/eventlog"
)

// An edit changes stored events: it destroys a stream, or empties or renames a namespace. It may take many commits. The
// first one puts the edit into the database's row, and takes away the namespace. Every append has the condition that the
// row has not changed, so from then on nothing is appended. The others do the work, and the last one takes the edit out
// of the row.
//
// The row says all that is left to do, and each commit has the condition that the row is as it was read. So any process can
// go on with an edit if whoever began it cannot: this one if the sender has given up, the next start, and all who want
// to append and have waited for a while.

// edit is what is to do.
type edit struct {
	ID        string `json:"id"`
	By        string `json:"by"`               // the catalog that has begun it
	Stream    string `json:"stream,omitempty"` // mapped: the stream to destroy
	Namespace string `json:"ns,omitempty"`     // the namespace to empty or rename
	To        string `json:"to,omitempty"`     // its new name
}

// removes reports whether the edit only removes.
func (e *edit) removes() bool { return e.To == "" }

// Bounds of one request: how many events and rows it edits, and how many bytes it has, unless one event or row alone has
// more. Larger edits take several commits, so readers may see some of the changes before the others. Appends of every
// door wait for a commit. One of 100,000 events took 0.6 s on a busy machine. One of 64 MiB took a slow disk longer than
// the log waits for an answer (10 s).
const (
	editMost  = 10_000
	editBytes = 8 << 20
)

// patience is how long others wait for the next commit of an edit before they go on with it themselves.
const patience = time.Second

// plan checks an edit against a database, and returns it with the rows and conditions of its first commit.
type plan func(d *Database) (edit, *eventlog.Request, error)

// perform begins an edit and does it.
func (c *Catalog) perform(ctx context.Context, name string, p plan) error {
	id := rand.Text()
	defer c.attend(name, id)()
	err := c.retry(ctx, func() error {
		read, err := c.idle(ctx, name)
		if err != nil {
			return err
		}
		d, err := c.find(name)
		if err != nil || d.id != read.ID {
			return eventlog.ErrRow // it has changed since
		}
		e, r, err := p(d)
		if err != nil {
			return err
		}
		e.ID, e.By = id, c.self
		next := read.info
		next.Version++
		next.Edit = &e
		row, err := read.becomes(next)
		if err != nil {
			return err
		}
		r.Rows, r.If, r.FromReserve = append(r.Rows, row), append(r.If, read.is()), e.removes()
		return c.commit(ctx, r)
	})
	if err != nil {
		return err
	}
	return c.finish(context.WithoutCancel(ctx), name, id)
}

// attend notes that somebody works at an edit, until leave is called.
func (c *Catalog) attend(name, id string) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attended[id] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.attended, id)
		if d := c.byName[name]; d != nil {
			c.takeUp(d)
		}
	}
}

// takeUp goes on with an edit of this catalog that nobody works at. The caller has locked c.mu.
func (c *Catalog) takeUp(d *Database) {
	if d.info.Edit != nil && d.info.Edit.By == c.self {
		c.resume(d)
	}
}

// resume goes on with an edit in the background, if nobody works at it here. The caller has locked c.mu.
func (c *Catalog) resume(d *Database) {
	if d.info.Edit == nil || c.attended[d.info.Edit.ID] {
		return
	}
	name, id := d.name, d.info.Edit.ID
	c.attended[id] = true
	c.edits.Do(func() {
		_ = c.finish(context.Background(), name, id) // if it fails, those who want to append go on with it
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.attended, id)
	})
}

// await waits for the next commit of an edit under way. If none comes for a while, it makes one.
func (c *Catalog) await(ctx context.Context, name string) error {
	c.mu.RLock()
	d := c.byName[name]
	if d == nil || d.info.Edit == nil {
		c.mu.RUnlock()
		return nil
	}
	changed, id := d.changed, d.info.Edit.ID
	c.mu.RUnlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
	case <-timer.C:
	}
	_, err := c.step(ctx, name, id, &cursor{})
	return err
}

// finish does what is left of an edit.
func (c *Catalog) finish(ctx context.Context, name, id string) error {
	for at := (cursor{}); ; {
		done, err := c.step(ctx, name, id, &at)
		if done || err != nil {
			return err
		}
	}
}

// step makes the next commit of an edit. It reports whether nothing is left to do.
func (c *Catalog) step(ctx context.Context, name, id string, at *cursor) (done bool, err error) {
	read, err := c.read(name)
	if errors.Is(err, ErrNoDatabase) {
		return true, nil // it was destroyed with all its contents
	}
	if err != nil || read.Edit == nil || read.Edit.ID != id {
		return true, err
	}
	b := batch{catalog: c, name: name, id: read.ID, edit: read.Edit, at: *at, bytes: int64(len(read.value) + 2*rowWeight)}
	done, err = b.gather(ctx)
	if err != nil {
		return false, err
	}
	next := read.info
	if next.Version++; done {
		next.Edit = nil
	}
	row, err := read.becomes(next)
	if err != nil {
		return false, err
	}
	r := &eventlog.Request{Edit: b.changes(), Rows: append(b.rows, row), If: []eventlog.Condition{read.is()}, FromReserve: read.Edit.removes()}
	err = c.commit(ctx, r)
	if errors.Is(err, eventlog.ErrRow) {
		return false, nil // somebody else has made this commit, or has changed a grant
	}
	if err != nil {
		return false, err
	}
	c.freed(read.ID, b.freed)
	*at = b.at
	return done, nil
}
