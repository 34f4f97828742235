package streams

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"sluice/channel"
	"sluice/store/eventlog"
)

// Writing is a database that events are being appended to, until Done: it is not renamed or destroyed
// meanwhile.
type Writing struct {
	catalog *Catalog
	db      *Database
	made    map[string]bool // namespaces that come with the events
	events  int64           // bytes of events that were charged and are not answered yet
	rows    int64           // bytes of rows likewise
}

// Write begins to append to a database.
func (c *Catalog) Write(name string) (*Writing, error) {
	d, err := c.use(name)
	if err != nil {
		return nil, err
	}
	return &Writing{catalog: c, db: d}, nil
}

// Done ends it. What was charged and never stored is given back.
func (w *Writing) Done() {
	if w.events+w.rows > 0 {
		w.catalog.settle(w.db, w.events, w.rows, false)
	}
	w.db.using.RUnlock()
}

// Charge counts those of some events that are the database's, and the rows that come with them, against its bounds. It
// is to be called once, when nothing but storing them is left.
func (w *Writing) Charge(events []eventlog.Event) error {
	var weight, rows int64
	for i := range events {
		if events[i].Space == Space(w.db.name) {
			weight += w.catalog.log.Weight(&events[i])
		}
	}
	for _, r := range w.Rows() {
		rows += weightOf(r)
	}
	if err := w.catalog.charge(w.db, weight, rows); err != nil {
		return err
	}
	w.events, w.rows = weight, rows
	return nil
}

// Record is an event as the log stores it. A namespace that is not there is made along with the events, if
// create says so.
func (w *Writing) Record(e *Event, create bool) (eventlog.Event, error) {
	if err := checkNames(e); err != nil {
		return eventlog.Event{}, err
	}
	if err := w.join(e.Namespace, create); err != nil {
		return eventlog.Event{}, err
	}
	return e.record(Space(w.db.name), "")
}

// Take makes of an event with mapped names what Record makes; it gets an id, and a stream of its own where it
// has none, as the client's db.stream() makes them.
func (w *Writing) Take(r *eventlog.Event, create bool) error {
	if r.Stream == "" {
		r.Stream = NewID()
	}
	namespace, _ := GivenStream(r.Stream)
	if err := w.join(namespace, create); err != nil {
		return err
	}
	r.Key, r.Meta = NewID(), []byte(`{"tz":"UTC"}`)
	return nil
}

// join makes sure of a namespace.
func (w *Writing) join(namespace string, create bool) error {
	if namespace == "" || w.made[namespace] || w.catalog.has(w.db, namespace) {
		return nil
	}
	if !create {
		return fmt.Errorf("%w: %q", ErrMayNot, namespace)
	}
	names := len(namespace)
	for made := range w.made {
		names += len(made)
	}
	if err := w.catalog.roomFor(w.db, len(w.made)+1, names); err != nil {
		return err
	}
	if w.made == nil {
		w.made = map[string]bool{}
	}
	w.made[namespace] = true
	return nil
}

// Rows are to be stored with the events.
func (w *Writing) Rows() (rows []eventlog.Row) {
	for namespace := range w.made {
		rows = append(rows, namespaceRow(w.db, namespace))
	}
	return rows
}

// Stored puts the namespaces in force that came with the events. It is for Request.Stored.
func (w *Writing) Stored() {
	c := w.catalog
	twice := int64(0)
	c.mu.Lock()
	for namespace := range w.made {
		if w.db.namespaces[namespace] { // another made it meanwhile, and was charged too
			twice += weightOf(namespaceRow(w.db, namespace))
		}
		w.db.setNamespace(namespace, true)
	}
	c.mu.Unlock()
	if twice > 0 {
		c.change(w.db, 0, -twice)
	}
}

// Answered is to be called with what storing the events came to. What may be stored stays charged.
func (w *Writing) Answered(err error) {
	c := w.catalog
	c.settle(w.db, w.events, w.rows, err == nil || errors.Is(err, eventlog.ErrUnknown))
	w.events, w.rows = 0, 0
}

// MaxName bounds the bytes of names and ids of events, before they are mapped.
const MaxName = 1024

func checkNames(e *Event) error {
	for what, name := range map[string]string{"id": e.ID, "type": e.Type, "stream": e.Stream} {
		if name == "" {
			return fmt.Errorf("%w: meta.%s is empty", ErrName, what)
		}
	}
	for what, name := range map[string]string{"id": e.ID, "type": e.Type, "ns": e.Namespace, "stream": e.Stream} {
		if !utf8.ValidString(name) {
			return fmt.Errorf("%w: meta.%s is not UTF-8", ErrName, what)
		}
		if len(name) > MaxName {
			return fmt.Errorf("%w: meta.%s is longer than %d bytes", ErrName, what, MaxName)
		}
	}
	return nil
}

// searchMost is how many streams an event is looked for in. A name of 1,024 dots in a database of 100,000 namespaces
// could be in a hundred million.
const searchMost = 10_000

// Position is the place of an event. Where stream is empty, id is STREAM.ID, in the namespace or, where that is
// nil, in any.
func (c *Catalog) Position(ctx context.Context, name string, namespace *string, stream, id string) (uint64, error) {
	d, err := c.use(name)
	if err != nil {
		return 0, err
	}
	defer d.using.RUnlock()
	if stream != "" {
		return c.position(d, value(namespace), stream, id)
	}
	return c.search(ctx, d, namespace, id)
}

// yieldEvery is how many streams a search looks at before it lets others go on.
const yieldEvery = 500

// search is the place of the event STREAM.ID, in the namespace or, where that is nil, in any.
func (c *Catalog) search(ctx context.Context, d *Database, namespace *string, id string) (uint64, error) {
	turn, err := c.looks.Take(ctx, 1)
	if err != nil {
		return 0, err
	}
	defer turn.Release()
	searched, looked := c.searched(d, namespace), 0
	for i := range len(id) {
		if id[i] != '.' || i == 0 || i == len(id)-1 {
			continue
		}
		for _, n := range searched {
			if looked++; looked > searchMost {
				return 0, fmt.Errorf("%w: %q can be in more than %d streams; name its namespace and stream", ErrTooMany, id, searchMost)
			}
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if looked%yieldEvery == 0 {
				if err := turn.Yield(ctx); err != nil {
					return 0, err
				}
			}
			at, err := c.position(d, n, id[:i], id[i+1:])
			if !errors.Is(err, ErrNoEvent) {
				return at, err
			}
		}
	}
	return 0, fmt.Errorf("%w: %q; events of a whole database are named STREAM.ID", ErrNoEvent, id)
}

// searched are the namespaces in which an event may be, the unnamed one first.
func (c *Catalog) searched(d *Database, namespace *string) []string {
	if namespace != nil {
		return []string{*namespace}
	}
	return append([]string{""}, c.namespaces(d)...)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *Catalog) position(d *Database, namespace, stream, id string) (uint64, error) {
	at, err := c.log.Find(Space(d.name), MapStream(namespace, stream), id)
	if err == nil && at == 0 {
		err = NoEvent(id, stream)
	}
	return at, err
}

// Moment is where the events of a time, which has milliseconds, begin, and where they end.
func (c *Catalog) Moment(ctx context.Context, name string, at time.Time) (first, last uint64, err error) {
	d, err := c.use(name)
	if err != nil {
		return 0, 0, err
	}
	defer d.using.RUnlock()
	first, last = c.log.Clock().Place(at), c.log.Clock().Place(at.Add(time.Millisecond))-1
	if d.info.Cloned == 0 {
		return first, last, nil
	}
	ts := at.UTC().Format(TimeFormat)
	begin, err := c.firstCopy(ctx, d, func(of string) bool { return of >= ts })
	if err != nil {
		return 0, 0, err
	}
	end, err := c.firstCopy(ctx, d, func(of string) bool { return of > ts })
	if err != nil {
		return 0, 0, err
	}
	if begin <= d.info.Cloned || first <= d.info.Cloned {
		first = begin
	}
	if end <= d.info.Cloned || last <= d.info.Cloned {
		last = end - 1
	}
	return first, last, nil
}

// firstCopy is the place of the first event of a clone that was copied and whose time is as told, the place
// behind all that were copied where there is none. Of a time that a clock that was set back has seen twice it is one of the two.
func (c *Catalog) firstCopy(ctx context.Context, d *Database, is func(ts string) bool) (uint64, error) {
	low, high := uint64(1), d.info.Cloned+1
	for low < high {
		middle := low + (high-low)/2
		e, err := c.next(ctx, d, "", middle-1)
		switch {
		case err != nil:
			return 0, err
		case e == nil || e.ID > d.info.Cloned || is(timeText(c.log.Clock(), e)):
			high = middle
		default:
			low = e.ID + 1
		}
	}
	return low, nil
}

// next is the first event of a stream, or of the database, behind a position; nil, if there is none.
func (c *Catalog) next(ctx context.Context, d *Database, mapped string, after uint64) (*eventlog.Event, error) {
	p, err := c.log.Read(ctx, query(d.name, mapped), after, 1)
	if err != nil || len(p.Events) == 0 {
		return nil, err
	}
	return &p.Events[0], nil
}

// Event reads an event.
func (c *Catalog) Event(ctx context.Context, name, namespace, stream, id string) (*eventlog.Event, error) {
	d, err := c.use(name)
	if err != nil {
		return nil, err
	}
	defer d.using.RUnlock()
	return c.event(ctx, d, namespace, stream, id)
}

func (c *Catalog) event(ctx context.Context, d *Database, namespace, stream, id string) (*eventlog.Event, error) {
	at, err := c.position(d, namespace, stream, id)
	if err != nil {
		return nil, err
	}
	page, err := c.log.Read(ctx, query(d.name, MapStream(namespace, stream)), at-1, 1)
	if err != nil {
		return nil, err
	}
	if len(page.Events) == 0 || page.Events[0].ID != at {
		return nil, NoEvent(id, stream)
	}
	return &page.Events[0], nil
}

// query asks for all of a database, or of one stream of it.
func query(name, mapped string) *eventlog.Query {
	space := Space(name)
	return &eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space}), Stream: mapped}
}

// DestroyEvent deletes an event.
func (c *Catalog) DestroyEvent(ctx context.Context, name, namespace, stream, id string) error {
	return eventlog.Changed(ctx, c.log, func(ctx context.Context) error { return c.destroyEvent(ctx, name, namespace, stream, id) })
}

func (c *Catalog) destroyEvent(ctx context.Context, name, namespace, stream, id string) error {
	d, err := c.lock(name)
	if err != nil {
		return err
	}
	defer d.using.Unlock()
	e, err := c.event(ctx, d, namespace, stream, id)
	if err != nil {
		return err
	}
	freed := c.log.Weight(e)
	if err := c.edit(ctx, &eventlog.Edit{Remove: []eventlog.Event{*e}, Freed: freed}); err != nil {
		return err
	}
	c.change(d, -freed, 0)
	return nil
}
