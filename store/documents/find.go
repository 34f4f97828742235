package documents

import (
	"context"
	"fmt"
	"time"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Query says which documents are wanted, and in what order: that of their ids where Order is empty, which is that of
// their making. Ties are in order of ids, too, backwards where the order's first field is.
type Query struct {
	Where *query.Condition
	Order query.Order
	Skip  int
	Limit int  // below 0: all
	Total bool // how many there are in all is asked for
}

// Result is an answer, as of one moment. What it holds of the memory that there is for answers is given back when the
// context ends with which it was asked for, so that has to be the request's.
type Result struct {
	Documents [][]byte // texts
	Total     int64    // how many match, whatever Skip and Limit; -1 where it was not asked for
	Position  uint64   // the log's place: what follows it is not in the answer
}

// Get is a document's text.
func (s *Store) Get(ctx context.Context, name, id string) ([]byte, error) {
	r, err := s.GetMany(ctx, name, []string{id})
	if err != nil {
		return nil, err
	}
	if len(r.Documents) == 0 {
		return nil, fmt.Errorf("%w: %.128q", ErrNotFound, id)
	}
	return r.Documents[0], nil
}

// GetMany are the texts of some documents as of one moment; of those that are not there, none.
func (s *Store) GetMany(ctx context.Context, name string, ids []string) (*Result, error) {
	r := &Result{Total: -1}
	if CheckCollection(name) != nil {
		return r, nil
	}
	a := answer{store: s, ctx: ctx}
	err := s.log.View(ctx, func(v eventlog.View) error {
		r.Position = v.Position()
		for _, id := range ids {
			text, err := v.Row(documentKey(name, id))
			if err != nil {
				return err
			}
			if text == nil {
				continue
			}
			if err := a.show(text); err != nil {
				return err
			}
			r.Documents = append(r.Documents, text)
		}
		return nil
	})
	a.end(err)
	return r, err
}

// Find answers a query.
func (s *Store) Find(ctx context.Context, name string, q *Query) (*Result, error) {
	r := &Result{Total: -1}
	a := answer{store: s, ctx: ctx}
	err := s.look(ctx, name, func(l *looking) error {
		r.Position = l.view.Position()
		l.answer = &a
		return l.find(q, r)
	})
	a.end(err)
	if err != nil {
		return nil, err
	}
	if q.Total && r.Total < 0 {
		if r.Total, err = s.Count(ctx, name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Each calls f for each document that matches, in order of ids. The text is lent for the call, in which f waits for
// nothing: it may hold one of few slots.
func (s *Store) Each(ctx context.Context, name string, where *query.Condition, f func(text []byte) error) error {
	return s.look(ctx, name, func(l *looking) error {
		return l.scan(where, false, func(text []byte) (bool, error) { return true, f(text) })
	})
}

// look lets f look at a collection, as of one moment and for so long as a query may take.
func (s *Store) look(ctx context.Context, name string, f func(l *looking) error) error {
	if err := CheckCollection(name); err != nil {
		return err
	}
	l := &looking{store: s, ctx: ctx, name: name, until: time.Now().Add(s.o.QueryTime)}
	defer l.done()
	begin := s.queries
	if s.scans.Waiting(ctx) >= crowd {
		begin = s.crowds
	}
	if err := l.wait(begin); err != nil {
		return err
	}
	return s.log.View(ctx, func(v eventlog.View) error {
		l.view = v
		return f(l)
	})
}

// Work is counted in bytes that are passed over: a document's, times the weight of what is asked of it.
const (
	leastWork = 256      // of a document, however small
	checkWork = 64 << 10 // after which the time is looked at
)

// workOf is what it is to ask a document a condition.
func workOf(where *query.Condition, text []byte) int64 {
	return int64(where.Weight()) * int64(max(len(text), leastWork))
}

// freeWork is what a query may do before it has to wait for a slot for scans, as few may do more at once: a thousand
// documents with one condition. At 200 clients that ask for scans without a pause, publishers wait 20 ms (p99) on two cores; with
// four times as much, and a slot for each core, 400 to 900 ms.
const freeWork = 512 << 10

// turn is how long a query keeps its slot while another owner waits for one. With it a query waits a second for 20
// others, each of an owner of its own, that take as long as they may.
const turn = 50 * time.Millisecond

// scansWaiting bounds the queries of one owner that wait for a slot. Each holds a snapshot of the log.
const scansWaiting = 100

// crowd is how many scans of one owner wait when its further queries begin one after the other. Else what they do before
// they wait, or are refused, would slow down the scans of others so much that these run out of time.
const crowd = 16

// looking is a query under way.
type looking struct {
	store *Store
	ctx   context.Context // the request's
	view  eventlog.View
	name  string
	work  int64
	until time.Time   // when the time of the query is over; waiting moves it
	slot  *share.Slot // of queries, then of scans
	scans bool        // it is of scans
	since time.Time   // when it got the slot

	answer *answer // of Find
}

func (l *looking) done() {
	if l.slot != nil {
		l.slot.Release()
	}
}

// step is called before a document is asked a condition.
func (l *looking) step(where *query.Condition, text []byte) error {
	return l.spend(workOf(where, text))
}

// spend counts work, and looks now and then whether the query may go on.
func (l *looking) spend(work int64) error {
	before := l.work
	l.work += work
	if before/checkWork == l.work/checkWork {
		return nil
	}
	return l.pause()
}

// pause looks whether the query may go on, and waits for its turn where it has to.
func (l *looking) pause() error {
	now := time.Now()
	switch {
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case now.After(l.until):
		return ErrTime
	case l.work <= freeWork || l.scans && (now.Sub(l.since) < turn || !l.slot.Waited()):
		return nil
	case l.scans:
		return l.wait(nil)
	}
	l.scans = true
	return l.wait(l.store.scans)
}

// wait waits for a slot or, where slots is nil, lets others have the one it has until it is its turn again: for
// QUERY_TIME at most, which does not count as the query's own.
func (l *looking) wait(slots *share.Slots) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(l.ctx, l.store.o.QueryTime)
	defer cancel()
	if slots == nil {
		err = l.slot.Yield(ctx)
	} else {
		l.done()
		l.slot, err = slots.Take(ctx, 1)
	}
	switch {
	case l.ctx.Err() != nil:
		return l.ctx.Err()
	case err != nil:
		return ErrCrowd
	}
	l.since = time.Now()
	l.until = l.until.Add(l.since.Sub(began))
	return nil
}

// scan calls f for each document that matches, in order of ids or backwards, until it says false.
func (l *looking) scan(where *query.Condition, backwards bool, f func(text []byte) (bool, error)) error {
	base := documents(l.name)
	on := true
	return l.ranges(where, "_id", base, backwards, func(from, to string) (bool, error) {
		err := l.view.Scan(from, to, backwards, func(_, text []byte) (bool, error) {
			if err := l.step(where, text); err != nil {
				return false, err
			}
			if !where.Match(text) {
				return true, nil
			}
			var err error
			on, err = f(text)
			return on, err
		})
		return on, err
	})
}

// ranges calls f for the parts of an index where documents of a condition can be, until it says false.
func (l *looking) ranges(where *query.Condition, field, base string, backwards bool, f func(from, to string) (bool, error)) error {
	parts, narrowed := where.Ranges(field)
	if !narrowed {
		_, err := f(base, end(base))
		return err
	}
	for i := range parts {
		p := parts[i]
		if backwards {
			p = parts[len(parts)-1-i]
		}
		if on, err := f(base+string(p.Low), base+string(p.High)); !on || err != nil {
			return err
		}
	}
	return nil
}
