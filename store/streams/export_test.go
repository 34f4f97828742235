package streams

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"sluice/store/eventlog"
	"sluice/store/share"
)

// ErrDuplicate is the error of Append where the stream has an event of this id.
var ErrDuplicate = errors.New("the stream has an event with this id already")

// Append stores one event, as the doors do.
func (c *Catalog) Append(ctx context.Context, name string, e *Event, create bool) (uint64, error) {
	w, err := c.Write(name)
	if err != nil {
		return 0, err
	}
	r, err := w.Record(e, create)
	if err != nil {
		return 0, err
	}
	id, err := c.Store(ctx, &eventlog.Request{Events: []eventlog.Event{r}}, w)
	if errors.As(err, new(*eventlog.KeyError)) {
		return 0, fmt.Errorf("%w: %q", ErrDuplicate, e.ID)
	}
	return id, err
}

// RecordOf is the event as the log stores it in a space.
func (e *Event) RecordOf(space string) (eventlog.Event, error) { return e.record(space, "") }

// Held is how many bytes a database holds.
func (c *Catalog) Held(name string) int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if d := c.byName[name]; d != nil {
		return d.held()
	}
	return 0
}

// Edited reports whether an edit of a database is under way.
func (c *Catalog) Edited(name string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d := c.byName[name]
	return d != nil && d.info.Edit != nil
}

// Charged is what an account is charged for: databases, their bytes, and names that it gave up.
func (c *Catalog) Charged(account string) (databases int, bytes int64, retired int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if u := c.accounts[account]; u != nil {
		return u.databases, u.bytes, u.retired
	}
	return 0, 0, 0
}

// ClonesWaiting is the number of clones of an owner that wait.
func (c *Catalog) ClonesWaiting(owner string) int {
	return c.cloning.Waiting(share.With(context.Background(), owner))
}

// TakeLooks takes all slots of reads for the owner of ctx.
func (c *Catalog) TakeLooks(ctx context.Context) (release func()) {
	var all []func()
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		done, err := c.looks.Acquire(ctx)
		if err != nil {
			panic(err)
		}
		all = append(all, done)
	}
	return func() {
		for _, done := range all {
			done()
		}
	}
}

// SetLimits has other bounds from now on; nothing else may use the catalog meanwhile.
func (c *Catalog) SetLimits(l Limits) { c.limits = l }

// Recounted is Held after a count of what the log has.
func (c *Catalog) Recounted(name string) int64 {
	if d, err := c.find(name); err == nil {
		d.usage.recounted = recounted{}
		if u := c.account(d.account); u != nil {
			u.recounted = recounted{}
		}
		c.recount(d, failed)
	}
	return c.Held(name)
}

// Query selects all events of a database.
func Query(name string) *eventlog.Query { return query(name, "") }
