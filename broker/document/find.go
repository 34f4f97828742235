package document

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/broker/document/query"
	"sluice/broker/eventlog"
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
	a := answer{store: s}
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
	a.end(ctx, err)
	return r, err
}

// Find answers a query.
func (s *Store) Find(ctx context.Context, name string, q *Query) (*Result, error) {
	r := &Result{Total: -1}
	a := answer{store: s}
	err := s.look(ctx, name, func(l *looking) error {
		r.Position = l.view.Position()
		l.answer = &a
		return l.find(q, r)
	})
	a.end(ctx, err)
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
	within, cancel := context.WithTimeout(ctx, s.o.QueryTime)
	defer cancel()
	err := s.log.View(within, func(v eventlog.View) error {
		l := &looking{store: s, ctx: within, view: v, name: name}
		defer l.done()
		return f(l)
	})
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return ErrTime
	}
	return err
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

// freeWork is what a query may do before it has to wait for a slot, as few may do more at once: a thousand documents
// with one condition. At 200 clients that ask for scans without a pause, publishers wait 20 ms (p99) on two cores; with
// four times as much, and a slot for each core, 400 to 900 ms.
const freeWork = 512 << 10

// looking is a query under way.
type looking struct {
	store *Store
	ctx   context.Context
	view  eventlog.View
	name  string
	work  int64
	slot  bool

	answer *answer // of Find
}

func (l *looking) done() {
	if l.slot {
		<-l.store.scans
	}
}

// step is called before a document is asked a condition.
func (l *looking) step(where *query.Condition, text []byte) error {
	before := l.work
	l.work += workOf(where, text)
	if before/checkWork == l.work/checkWork {
		return nil
	}
	if l.work > freeWork && !l.slot {
		if err := l.wait(); err != nil {
			return err
		}
	}
	return l.ctx.Err()
}

// wait waits for a slot, but not so long that there would be no time left to use it: of a crowd that did, each would
// work for nothing.
func (l *looking) wait() error {
	timer := time.NewTimer(l.store.o.QueryTime / 2)
	defer timer.Stop()
	select {
	case l.store.scans <- struct{}{}:
		l.slot = true
		return nil
	case <-timer.C:
		return ErrCrowd
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
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
