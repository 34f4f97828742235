package documents

import (
	"context"
	"fmt"
	"time"

	"sluice/store/documents/query"
	"sluice/store/eventlog"
	"sluice/store/share"
)

// Query selects documents and their order. An empty Order is that of ids, which is the order in which the documents
// were made. Documents that compare equal are in order of ids, or in reverse if the first field of Order is descending.
type Query struct {
	Where *query.Condition
	Order query.Order
	Skip  int
	Limit int  // negative: all
	Total bool // also count all matches
}

// Result is an answer, as of one moment. Its memory is given back when the context of the call ends, so pass the
// request's context.
type Result struct {
	Documents [][]byte // texts
	Total     int64    // how many match, regardless of Skip and Limit; -1 if not asked for
	Position  uint64   // position in the log; later changes are not in the answer
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

// GetMany returns the texts of some documents as of one moment. It leaves out those that do not exist.
func (s *Store) GetMany(ctx context.Context, name string, ids []string) (r *Result, err error) {
	if CheckCollection(name) != nil {
		return &Result{Total: -1}, nil
	}
	a := answer{store: s, ctx: ctx}
	behind := s.log.Again(ctx, func() bool {
		r, err = s.getMany(ctx, name, ids, &a)
		return err != nil || len(r.Documents) == len(ids)
	})
	if behind != nil {
		err = fmt.Errorf("looking for documents: %w", behind)
	}
	a.end(err)
	return r, err
}

func (s *Store) getMany(ctx context.Context, name string, ids []string, a *answer) (*Result, error) {
	r := &Result{Total: -1}
	a.bytes = 0
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
	return r, err
}

// Find answers a query.
func (s *Store) Find(ctx context.Context, name string, q *Query) (*Result, error) {
	r := &Result{Total: -1}
	a := answer{store: s, ctx: ctx}
	err := s.query(ctx, name, func(ex *execution) error {
		r.Position = ex.view.Position()
		ex.answer = &a
		if err := ex.find(q, r); err != nil || !q.Total || r.Total >= 0 {
			return err
		}
		value, err := ex.view.Row(rowCounted + name)
		if err != nil {
			return err
		}
		c, err := parseCounts(rowCounted+name, value)
		r.Total = c.count
		return err
	})
	a.end(err)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Each calls f for each document that matches, in order of ids. f must not use text after it returns, and must not wait
// for anything, since the query may have one of few slots.
func (s *Store) Each(ctx context.Context, name string, where *query.Condition, f func(text []byte) error) error {
	return s.query(ctx, name, func(ex *execution) error {
		return ex.scan(where, false, func(text []byte) (bool, error) { return true, f(text) })
	})
}

// query runs f on a collection, as of one moment, for at most as long as a query may take.
func (s *Store) query(ctx context.Context, name string, f func(ex *execution) error) error {
	if err := CheckCollection(name); err != nil {
		return err
	}
	ex := &execution{store: s, ctx: ctx, name: name, until: time.Now().Add(s.o.QueryTime)}
	defer ex.done()
	begin := s.queries
	if s.scans.Waiting(ctx) >= crowdedOwner {
		begin = s.crowdQueries
	}
	if err := ex.wait(begin); err != nil {
		return err
	}
	return s.log.View(ctx, func(v eventlog.View) error {
		ex.view = v
		return f(ex)
	})
}

// Work is counted in bytes examined: the size of a document times the weight of the condition.
const (
	minWork   = 256      // the least of a document
	checkWork = 64 << 10 // work between two looks at the time
)

// workOf is the work of testing a condition on a document.
func workOf(where *query.Condition, text []byte) int64 {
	return int64(where.Weight()) * int64(max(len(text), minWork))
}

// freeWork is the work that a query may do before it must wait for a slot for scans: a thousand documents with one
// condition. If 200 clients ask for scans without a pause, publishers wait 20 ms (p99) on two cores. With four times as
// much free work and a slot for each core they wait 400 to 900 ms.
const freeWork = 512 << 10

// slotTurn is how long a query keeps its slot while another owner waits for one. With 20 other owners, each with a query
// that takes as long as it may, a query then waits one second.
const slotTurn = 50 * time.Millisecond

// scansWaiting bounds the queries of one owner that wait for a slot. Each of them has a snapshot of the log.
const scansWaiting = 100

// crowdedOwner is how many waiting scans of one owner make its further queries start one after the other. Otherwise the work
// that they do before they wait, or are refused, would slow down other owners' scans so much that these run out of
// time.
const crowdedOwner = 16

// execution is a query under way:
//
//	slot for queries --freeWork is used up--> slot for scans --slotTurn is over, another owner waits--> yields, waits again
type execution struct {
	store *Store
	ctx   context.Context // the request's
	view  eventlog.View
	name  string
	work  int64
	until time.Time   // when the query's time is over; time spent waiting does not count
	slot  *share.Slot // a slot for queries, later one for scans
	scans bool        // slot is one for scans
	since time.Time   // when it got the slot

	answer *answer // only in Find
}

func (ex *execution) done() {
	if ex.slot != nil {
		ex.slot.Release()
	}
}

// step must be called before a condition is tested on a document.
func (ex *execution) step(where *query.Condition, text []byte) error {
	return ex.spend(workOf(where, text))
}

// spend counts work. Once every checkWork it checks whether the query may go on.
func (ex *execution) spend(work int64) error {
	before := ex.work
	ex.work += work
	if before/checkWork == ex.work/checkWork {
		return nil
	}
	return ex.pause()
}

// pause checks whether the query may go on, and waits for its turn if it must.
func (ex *execution) pause() error {
	now := time.Now()
	switch {
	case ex.ctx.Err() != nil:
		return ex.ctx.Err()
	case now.After(ex.until):
		return ErrTime
	case ex.work <= freeWork || ex.scans && (now.Sub(ex.since) < slotTurn || !ex.slot.Waited()):
		return nil
	case ex.scans:
		return ex.wait(nil)
	}
	ex.scans = true
	return ex.wait(ex.store.scans)
}

// wait waits for a slot. If slots is nil, it lends its slot to others until it is its turn again. It waits at most
// QUERY_TIME, which does not count as the query's time.
func (ex *execution) wait(slots *share.Slots) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ex.ctx, ex.store.o.QueryTime)
	defer cancel()
	if slots == nil {
		err = ex.slot.Yield(ctx)
	} else {
		ex.done()
		ex.slot, err = slots.Take(ctx, 1)
	}
	switch {
	case ex.ctx.Err() != nil:
		return ex.ctx.Err()
	case err != nil:
		return ErrCrowd
	}
	ex.since = time.Now()
	ex.until = ex.until.Add(ex.since.Sub(began))
	return nil
}

// scan calls f for each document that matches, in order of ids or backwards, until f returns false.
func (ex *execution) scan(where *query.Condition, backwards bool, f func(text []byte) (bool, error)) error {
	base := documents(ex.name)
	on := true
	return ex.ranges(where, "_id", base, backwards, func(from, to string) (bool, error) {
		err := ex.view.Scan(from, to, backwards, func(_, text []byte) (bool, error) {
			if err := ex.step(where, text); err != nil {
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

// ranges calls f for the parts of an index that may have documents of a condition, until f returns false.
func (ex *execution) ranges(where *query.Condition, field, base string, backwards bool, f func(from, to string) (bool, error)) error {
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
