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

// MaxName is the most bytes of a name or an id, before mapping.
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

// searchMost is the most streams that a search for an event looks at. A name of 1,024 dots in a database of 100,000
// namespaces could be in a hundred million streams.
const searchMost = 10_000

// Position is the log's id of an event. If stream is empty, id is STREAM.ID, in the given namespace, or in any if
// namespace is nil.
func (c *Catalog) Position(ctx context.Context, name string, namespace *string, stream, id string) (uint64, error) {
	d, err := c.find(name)
	if err != nil {
		return 0, err
	}
	if stream != "" {
		return c.position(d, value(namespace), stream, id)
	}
	return c.search(ctx, d, namespace, id)
}

// yieldEvery is how many streams a search looks at before it lets others go on.
const yieldEvery = 500

// search is the log's id of the event STREAM.ID, in the given namespace, or in any if namespace is nil. STREAM and ID
// may contain dots, so it tries each dot.
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
				return 0, fmt.Errorf("%w: %q may be in more than %d streams; give its namespace and stream", ErrTooMany, id, searchMost)
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
	return 0, fmt.Errorf("%w: %q; without a stream, give an event as STREAM.ID", ErrNoEvent, id)
}

// searched are the namespaces that may have an event, the unnamed one first.
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

// Moment returns the range of ids of the events of one millisecond.
func (c *Catalog) Moment(ctx context.Context, name string, at time.Time) (first, last uint64, err error) {
	d, err := c.find(name)
	if err != nil {
		return 0, 0, err
	}
	first, last = c.log.Clock().Place(at), c.log.Clock().Place(at.Add(time.Millisecond))-1
	if d.cloned == 0 {
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
	if begin <= d.cloned || first <= d.cloned {
		first = begin
	}
	if end <= d.cloned || last <= d.cloned {
		last = end - 1
	}
	return first, last, nil
}

// firstCopy is the id of the first copied event of a clone for whose time is holds, or the position after all copies.
// If the clock was set back and had a time twice, it is one of the two.
func (c *Catalog) firstCopy(ctx context.Context, d *Database, is func(ts string) bool) (uint64, error) {
	low, high := uint64(1), d.cloned+1
	for low < high {
		middle := low + (high-low)/2
		e, err := c.next(ctx, d, "", middle-1)
		switch {
		case err != nil:
			return 0, err
		case e == nil || e.ID > d.cloned || is(timeText(c.log.Clock(), e)):
			high = middle
		default:
			low = e.ID + 1
		}
	}
	return low, nil
}

// next is the first event of a stream, or of the database, after a position, or nil.
func (c *Catalog) next(ctx context.Context, d *Database, mapped string, after uint64) (*eventlog.Event, error) {
	p, err := c.log.Read(ctx, query(d.name, mapped), after, 1)
	if err != nil || len(p.Events) == 0 {
		return nil, err
	}
	return &p.Events[0], nil
}

// Event reads an event.
func (c *Catalog) Event(ctx context.Context, name, namespace, stream, id string) (*eventlog.Event, error) {
	d, err := c.find(name)
	if err != nil {
		return nil, err
	}
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

// query selects all events of a database, or of one of its streams.
func query(name, mapped string) *eventlog.Query {
	space := Space(name)
	return &eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space}), Stream: mapped}
}

// DestroyEvent deletes an event.
func (c *Catalog) DestroyEvent(ctx context.Context, name, namespace, stream, id string) error {
	return c.retry(ctx, func() error {
		read, err := c.idle(ctx, name)
		if err != nil {
			return err
		}
		d, err := c.find(name)
		if err != nil || d.id != read.ID {
			return eventlog.ErrRow // it has changed since
		}
		e, err := c.event(ctx, d, namespace, stream, id)
		if err != nil {
			return err
		}
		next := read.info
		next.Version++ // so that nobody else frees the same bytes
		row, err := read.becomes(next)
		if err != nil {
			return err
		}
		freed := c.log.Weight(e)
		err = c.commit(ctx, &eventlog.Request{
			Edit: &eventlog.Edit{Remove: []eventlog.Event{*e}, Freed: freed}, Rows: []eventlog.Row{row}, If: []eventlog.Condition{read.is()}, FromReserve: true,
		})
		if err == nil {
			c.freed(d.id, freed)
		}
		return err
	})
}
