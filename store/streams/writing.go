package streams

import (
	"context"
	"errors"
	"fmt"

	"sluice/store/eventlog"
)

// Writing is a database to which a caller appends events with Store.
type Writing struct {
	catalog *Catalog
	db      *Database       // as it was found first
	uses    map[string]bool // the namespaces of the events, and whether they may be made
	made    int             // how many of them are to be made
	names   int             // bytes of their names
	weight  int64           // of the events
	charged charge
	on      *Database // to which charged is charged; nil: nothing is
}

// Write begins to append to a database.
func (c *Catalog) Write(name string) (*Writing, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return &Writing{catalog: c, db: d}, nil
}

// Record makes the log's record of an event. If create is true, a missing namespace is made with the events.
func (w *Writing) Record(e *Event, create bool) (eventlog.Event, error) {
	if err := checkNames(e); err != nil {
		return eventlog.Event{}, err
	}
	if err := w.use(e.Namespace, create); err != nil {
		return eventlog.Event{}, err
	}
	return e.record(w.db.space, "")
}

// Take is Record for an event whose names are mapped already. It gives the event an id and, if it has no stream, a
// stream of its own, as the client's db.stream() does.
func (w *Writing) Take(r *eventlog.Event, create bool) error {
	if r.Stream == "" {
		r.Stream = NewID()
	}
	namespace, _ := GivenStream(r.Stream)
	if err := w.use(namespace, create); err != nil {
		return err
	}
	r.Key, r.Meta = NewID(), []byte(`{"tz":"UTC"}`)
	return nil
}

// use notes a namespace, and checks that it exists or may be made.
func (w *Writing) use(namespace string, create bool) error {
	if _, noted := w.uses[namespace]; noted || namespace == "" {
		return nil
	}
	if !w.catalog.has(w.db, namespace) {
		if !create {
			return mayNot(namespace)
		}
		w.made++
		w.names += len(namespace)
		w.catalog.mu.RLock()
		err := w.db.contents.roomFor(w.made, w.names)
		w.catalog.mu.RUnlock()
		if err != nil {
			return err
		}
	}
	if w.uses == nil {
		w.uses = map[string]bool{}
	}
	w.uses[namespace] = create
	return nil
}

func mayNot(namespace string) error { return fmt.Errorf("%w: %q", ErrMayNot, namespace) }

// SpaceError is the error of Store for one of several databases. Its text is that of Err.
type SpaceError struct {
	Space string
	Err   error
}

func (e *SpaceError) Error() string { return e.Err.Error() }
func (e *SpaceError) Unwrap() error { return e.Err }

// Store appends a request with the events of some writings, and returns the first id. It sets the request's rows and
// conditions. If a database or a namespace has changed since it was looked up, Store looks it up again.
func (c *Catalog) Store(ctx context.Context, r *eventlog.Request, all ...*Writing) (first uint64, err error) {
	for _, w := range all {
		w.weigh(r.Events)
	}
	if first, err = c.tryStore(ctx, r, all); errors.Is(err, eventlog.ErrRow) {
		return c.storeAgain(ctx, r, all)
	}
	return first, err
}

// storeAgain is a function of its own, since its closure has the result on the heap.
func (c *Catalog) storeAgain(ctx context.Context, r *eventlog.Request, all []*Writing) (first uint64, err error) {
	err = c.log.Retry(ctx, func() error {
		first, err = c.tryStore(ctx, r, all)
		return err
	})
	return first, err
}

// weigh counts the bytes of the database's share of some events.
func (w *Writing) weigh(events []eventlog.Event) {
	w.weight = 0
	for i := range events {
		if events[i].Space == w.db.space {
			w.weight += w.catalog.log.Weight(&events[i])
		}
	}
}

func (c *Catalog) tryStore(ctx context.Context, r *eventlog.Request, all []*Writing) (first uint64, err error) {
	r.Rows, r.If = nil, make([]eventlog.Condition, 0, len(all))
	for _, w := range all {
		if err = w.prepare(ctx, r); err != nil {
			break
		}
	}
	stays := false
	if err == nil {
		first, err = c.log.Append(ctx, r)
		stays = err == nil || errors.Is(err, eventlog.ErrUnknown)
	}
	for _, w := range all {
		if w.on != nil {
			c.settle(w.on, w.charged, stays)
			w.on = nil
		}
	}
	return first, err
}

// prepare adds what a request needs for the database, and charges it.
func (w *Writing) prepare(ctx context.Context, r *eventlog.Request) error {
	d, is, err := w.catalog.ready(ctx, w.db.name)
	switch {
	case errors.Is(err, ErrNoDatabase) || err == nil && d.id != w.db.id:
		return &SpaceError{w.db.space, noDatabase(w.db.name)} // rights were checked for the one that is gone
	case err != nil:
		return err
	}
	rows, err := w.missing(d)
	if err != nil {
		return &SpaceError{d.space, err}
	}
	w.charged = charge{events: w.weight}
	for _, row := range rows {
		w.charged.rows += weightOf(row)
	}
	if err := w.catalog.charge(d, w.charged); err != nil {
		return &SpaceError{d.space, err}
	}
	w.on = d
	r.Rows, r.If = append(r.Rows, rows...), append(r.If, is)
	return nil
}

// missing are the rows of the namespaces that are to be made. Another writer may make the same ones meanwhile. The
// condition on the database is enough: whoever destroys a namespace changes the database's row.
func (w *Writing) missing(d *Database) (rows []eventlog.Row, err error) {
	if len(w.uses) == 0 {
		return nil, nil
	}
	w.catalog.mu.RLock()
	defer w.catalog.mu.RUnlock()
	names := 0
	for namespace, create := range w.uses {
		if d.contents.namespaces[namespace] {
			continue
		}
		if !create {
			return nil, mayNot(namespace)
		}
		rows = append(rows, namespaceRow(d.id, namespace))
		names += len(namespace)
	}
	return rows, d.contents.roomFor(len(rows), names)
}
