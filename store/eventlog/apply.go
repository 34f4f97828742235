package eventlog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// subject is what a condition is about: a stream, or with a key one event of it.
type subject struct{ space, stream, key string }

// note adds what an event changes.
func note(changes map[subject]uint64, e *Event) {
	if e.Stream != "" {
		changes[subject{e.Space, e.Stream, ""}] = e.ID
	}
	if e.unique() {
		changes[subject{e.Space, e.Stream, e.Key}] = e.ID
	}
}

// recentMost bounds committer.recent. When it is cleared, requests that looked before that look again.
const recentMost = 1 << 16

// grouping is a group that is being made.
type grouping struct {
	*Group
	changed map[subject]uint64 // by its events
	made    []string           // the keyed spaces that it makes
	marks   marks              // of the clock, if there are new ones
	origins origins            // that have sent messages, or are forgotten
	message uint64             // the place of the message under way
	repeat  bool               // it was applied before
}

// group applies entries in order, and gives ids. An error is a failure: none of them has an outcome.
func (c *committer) group(entries []Entry) (*grouping, error) {
	g := &grouping{Group: &Group{Applied: c.applied}, changed: map[subject]uint64{}}
	g.Events = slices.Grow(g.Events, eventsOf(entries))
	c.log.answers.expire(expiredAnswers(max(g.At, entries[0].At)))
	for i := range entries {
		e := &entries[i]
		g.At = max(g.At, e.At)
		if e.Origin != 0 {
			e.repeat = !c.fresh(g, e)
		}
		g.Place = e.Place
		if err := c.entry(g, e); err != nil {
			return nil, err
		}
		e.chain = g.Chain
	}
	return g, nil
}

// eventsOf returns how many events the requests of entries have.
func eventsOf(entries []Entry) (n int) {
	for i := range entries {
		if r := entries[i].Request; r != nil {
			n += len(r.Events)
		}
	}
	return n
}

// entry applies an entry, unless it is void or a repeat. The error is a failure.
func (c *committer) entry(g *grouping, e *Entry) error {
	if e.Request == nil || e.repeat {
		return nil
	}
	p := e.waiting
	if p == nil {
		p = &pending{request: e.Request, blind: true}
	}
	if e.first, e.err = c.request(g, p, e.Wall); failed(e.err) {
		return e.err
	}
	if e.Origin != 0 {
		g.Chain = link(g.Chain, e)
	}
	return nil
}

// failed reports whether an error is a failure, not a refusal.
func failed(err error) bool { return errors.Is(err, ErrUnavailable) }

// request applies one request and returns its first id. The error is a refusal, after which g is unchanged, or a failure.
func (c *committer) request(g *grouping, p *pending, wall int64) (uint64, error) {
	r := p.request
	first := max(g.Last+1, g.At)
	if r.Once != nil {
		answer, err := c.once(g, r.Once)
		if err != nil {
			return 0, err
		}
		if r.Once.Replayed = answer != nil; answer != nil {
			return answer.First, nil
		}
	}
	if err := cmp.Or(c.holds(p, first, g.changed), c.rowsHold(r)); err != nil {
		return 0, err
	}
	rows, err := c.derive(r.Rows)
	if err == nil && r.Make != "" {
		rows, err = c.makeSpace(g, r.Make, rows)
	}
	if err != nil {
		return 0, err
	}
	changes, err := c.apply(r)
	if err != nil {
		return 0, err
	}
	if err := c.take(g, r, first, wall); err != nil {
		return 0, err
	}
	rows = append(rows, c.install(changes, g.Last)...) // the last row counts, also for a space that the request makes
	for _, row := range rows {
		c.rows.set(row.Key, row.Value)
	}
	g.Rows = append(g.Rows, rows...)
	if r.Make != "" {
		g.made = append(g.made, r.Make)
	}
	if len(r.Events) == 0 {
		return 0, nil
	}
	return first, nil
}

// once returns the answer to an earlier request with the same key, or nil.
func (c *committer) once(g *grouping, o *Once) (*Answer, error) {
	return c.log.answers.decide(o, expiredAnswers(g.At), g.Answers)
}

// makeSpace adds the row of a new keyed space.
func (c *committer) makeSpace(g *grouping, space string, rows []Row) ([]Row, error) {
	value, err := c.row(keyedRow + space)
	if err == nil && value != nil {
		err = ErrRow
	}
	return append(rows, row(space, 0, max(g.Last, g.At))), err
}

// take adds an accepted request to the group, and gives ids to its events.
func (c *committer) take(g *grouping, r *Request, first uint64, wall int64) error {
	for i := range r.Events {
		r.Events[i].ID = first + uint64(i)
		note(g.changed, &r.Events[i])
	}
	n := len(r.Events)
	if r.Run {
		g.Run = &Run{Recovered: g.Last, Start: first}
		n = 1
	}
	if n > 0 {
		if err := c.mark(g, first, wall); err != nil {
			return err
		}
		g.Last = first + uint64(n) - 1
	}
	g.Events = append(g.Events, r.Events...)
	g.Edit = r.Edit
	if o := r.Once; o != nil {
		g.Answers = append(g.Answers, Answer{First: first, Count: len(r.Events), Key: o.Key, Owner: o.Owner, Body: o.Body})
	}
	return nil
}

// mark notes in the group if the wall clock was stepped before the id first.
func (c *committer) mark(g *grouping, first uint64, wall int64) error {
	m := g.marks
	if m == nil {
		m = *c.log.clock.marks.Load()
	}
	if !m.strays(first, wall) {
		return nil
	}
	oldest, err := c.oldest(g)
	if err != nil {
		return err
	}
	if m, noted := m.since(min(oldest, first)).note(first, wall); noted {
		g.marks, g.Marks = m, m.bytes()
	}
	return nil
}

// oldest is an id before which nothing is retained, with the events of the group. An entry of a keyed space may be of any
// age.
func (c *committer) oldest(g *grouping) (uint64, error) {
	o, ok := c.engine.(oldester)
	if !ok || slices.ContainsFunc(g.Events, func(e Event) bool { return e.Op != 0 }) {
		return 0, nil
	}
	oldest, err := o.Oldest()
	if err != nil {
		return 0, fmt.Errorf("%w: looking for the oldest event: %w", ErrUnavailable, err)
	}
	if len(g.Events) > 0 {
		oldest = min(oldest, g.Events[0].ID)
	}
	return oldest, nil
}

// holds checks a request's conditions, first the keys. It checks against four things: what look found before queueing,
// what has changed since, what this group changes, and the request's own earlier events.
func (c *committer) holds(p *pending, first uint64, changed map[subject]uint64) error {
	if !p.request.conditional() {
		return nil
	}
	if p.blind || p.looked < c.forgot {
		if err := p.look(c.log.Settled(), c.engine); err != nil {
			return err
		}
	}
	if err := c.unique(p, changed); err != nil {
		return err
	}
	for n, x := range p.request.Expect {
		e := &p.request.Events[x.Index]
		at := subject{e.Space, e.Stream, ""}
		head := max(p.heads[n], c.recent[at], changed[at])
		for i := range x.Index {
			if before := &p.request.Events[i]; before.Space == e.Space && before.Stream == e.Stream {
				head = first + uint64(i)
			}
		}
		if head != x.Last {
			return &ExpectError{Index: x.Index, Last: head}
		}
	}
	return nil
}

// unique refuses the first key that is taken by now, or that is twice in the request.
func (c *committer) unique(p *pending, changed map[subject]uint64) error {
	events := p.request.Events
	var own map[subject]bool
	for i := range events {
		e := &events[i]
		if !e.unique() {
			continue
		}
		at := subject{e.Space, e.Stream, e.Key}
		if p.taken == i+1 || c.recent[at] != 0 || changed[at] != 0 || own[at] {
			return &KeyError{i}
		}
		if own == nil && len(events) > 1 {
			own = map[subject]bool{}
		}
		if own != nil {
			own[at] = true
		}
	}
	return nil
}
