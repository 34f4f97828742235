package eventlog

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
)

// pending is a request that waits for the committer.
type pending struct {
	request *Request
	size    int
	looked  uint64   // what was settled before the look at what conditions speak of
	heads   []uint64 // of the streams that Expect speaks of
	done    chan struct{}
	first   uint64
	err     error
	queued
}

// look finds what the conditions speak of, and refuses a key that is taken. What was settled is read before the look.
func (p *pending) look(settled uint64, in Lookup) error {
	p.looked = settled
	p.heads = p.heads[:0]
	for _, x := range p.request.Expect {
		e := &p.request.Events[x.Index]
		head, err := in.Head(e.Space, e.Stream)
		if err != nil {
			return fmt.Errorf("%w: looking up a stream: %w", ErrUnavailable, err)
		}
		p.heads = append(p.heads, head)
	}
	for i := range p.request.Events {
		e := &p.request.Events[i]
		if !e.unique() {
			continue
		}
		id, err := in.Find(e.Space, e.Stream, e.Key)
		if err != nil {
			return fmt.Errorf("%w: looking up a key: %w", ErrUnavailable, err)
		}
		if id != 0 {
			return &KeyError{i}
		}
	}
	return nil
}

// giveUp is the answer of a publisher that waits no longer, unless the true one is there by now.
func (p *pending) giveUp(why error) (uint64, error) {
	select {
	case <-p.done:
		return p.first, p.err
	default:
		return 0, fmt.Errorf("%w: %w", ErrUnknown, why)
	}
}

// groupBytes bounds one commit.
const groupBytes = 4 << 20

// place is a stream, or with a key one event of it.
type place struct{ space, stream, key string }

// note notes what an event changes.
func note(places map[place]uint64, e *Event) {
	if e.Stream != "" {
		places[place{e.Space, e.Stream, ""}] = e.ID
	}
	if e.unique() {
		places[place{e.Space, e.Stream, e.Key}] = e.ID
	}
}

// recentMost bounds what is remembered for requests under way. Who looked before that was forgotten looks again.
const recentMost = 1 << 16

// committer is the one goroutine that gives ids.
type committer struct {
	log    *Log
	engine Applier
	last   uint64
	recent map[place]uint64 // what changed while conditional requests were under way
	forgot uint64           // all of it up to here is forgotten
	keyed  known
	marks  []byte     // of the clock, until they are stored; nil else
	batch  []*pending // of the last step, for its room
}

func (c *committer) run() {
	l := c.log
	for {
		select {
		case <-l.work:
		case <-l.quit:
			for c.step() {
			}
			return
		}
		// Publishers that are about to queue get the chance: at 64 of them groups grow from 1.2 to 42
		// requests, and CPU an event falls by a third.
		runtime.Gosched()
		for c.step() {
		}
	}
}

// step commits one group; it is false when nothing waited.
func (c *committer) step() bool {
	batch := c.take()
	if len(batch) == 0 {
		return false
	}
	defer clear(batch)
	group, accepted := c.group(batch)
	err := c.commit(group)
	if err != nil {
		c.keyed.clear() // what it says was not stored
	} else {
		c.remember(group)
		if !group.empty() {
			c.marks = nil
		}
		c.keyed.trim()
		c.log.settle(group.Last)
		if c.log.tail != nil {
			c.log.tail(group.Events, group.Last)
		}
		if c.log.edited != nil && group.Edit != nil {
			c.log.edited(group.Edit)
		}
	}
	for _, p := range accepted {
		if err != nil {
			p.err = err
		} else if p.request.Stored != nil {
			p.request.Stored()
		}
		c.answer(p)
	}
	return true
}

func (c *committer) take() []*pending {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	c.batch = l.queue.take(c.batch[:0])
	return c.batch
}

// next is the first id of a group.
func (c *committer) next() uint64 {
	first, marked := c.log.clock.Next(c.last)
	if marked {
		if o, ok := c.engine.(oldester); ok {
			c.log.clock.forget(o.Oldest())
		}
		c.marks = c.log.clock.Marks()
	}
	return first
}

// group checks conditions in order and gives ids; requests whose conditions fail are answered here.
func (c *committer) group(batch []*pending) (*Group, []*pending) {
	g := &Group{}
	changed := map[place]uint64{}
	written := map[string][]byte{} // the requests' rows
	accepted := make([]*pending, 0, len(batch))
	now := c.next()
	g.Marks = c.marks
	for _, p := range batch {
		first := max(c.last+1, now)
		if p.err = c.log.admit(p.request); p.err == nil {
			p.err = cmp.Or(c.holds(p, first, changed), c.rowsHold(p.request, written))
		}
		if p.err != nil {
			c.answer(p)
			continue
		}
		changes, err := c.apply(p.request)
		if p.err = err; err != nil {
			c.answer(p)
			continue
		}
		p.first = first
		events := p.request.Events
		for i := range events {
			events[i].ID = first + uint64(i)
			note(changed, &events[i])
		}
		if len(events) > 0 {
			c.last = first + uint64(len(events)) - 1
		} else {
			p.first = 0
		}
		g.Rows = append(g.Rows, c.install(changes, c.last)...)
		g.Events = append(g.Events, events...)
		g.Rows = append(g.Rows, p.request.Rows...)
		for _, r := range p.request.Rows {
			written[r.Key] = r.Value
		}
		g.Edit = p.request.Edit
		if claim := p.request.Claim; claim != nil {
			a := claim.answer
			a.First, a.Count = first, len(events)
			g.Answers = append(g.Answers, a)
		}
		accepted = append(accepted, p)
	}
	g.Last = c.last
	return g, accepted
}

// holds checks a request's conditions against what was found before queueing, what changed since, what this
// group changed, and the request's own events before each.
func (c *committer) holds(p *pending, first uint64, changed map[place]uint64) error {
	if p.looked < c.forgot && p.request.conditional() {
		if err := p.look(c.log.Settled(), c.engine); err != nil {
			return err
		}
	}
	for n, x := range p.request.Expect {
		e := &p.request.Events[x.Index]
		at := place{e.Space, e.Stream, ""}
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
	return c.unique(p.request.Events, changed)
}

// unique refuses a key that is taken by now, or twice in the request.
func (c *committer) unique(events []Event, changed map[place]uint64) error {
	var own map[place]bool
	for i := range events {
		e := &events[i]
		if !e.unique() {
			continue
		}
		at := place{e.Space, e.Stream, e.Key}
		if c.recent[at] != 0 || changed[at] != 0 || own[at] {
			return &KeyError{i}
		}
		if own == nil && len(events) > 1 {
			own = map[place]bool{}
		}
		if own != nil {
			own[at] = true
		}
	}
	return nil
}

// commit is the engine's, with an error that callers can decide on. Ids taken by a failed group are
// not given out again.
func (c *committer) commit(g *Group) error {
	if g.empty() {
		return nil
	}
	err := c.engine.Commit(g)
	if c.log.dead() {
		return fmt.Errorf("%w: %w: it has failed", ErrUnavailable, ErrUnknown)
	}
	if err != nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// remember notes what changed, for requests that looked before. A publisher counts itself before it looks;
// the count is read here after the commit can be seen. So one that is not counted yet will find what was
// committed.
func (c *committer) remember(g *Group) {
	idle := c.log.expecting.Load() == 0
	if len(c.recent) > 0 && (idle || len(c.recent) > recentMost || g.Edit != nil) {
		clear(c.recent)
		c.forgot = g.Last
	}
	if g.Edit != nil {
		for name := range g.Edit.Spaces() {
			c.keyed.forget(name)
		}
		c.forgot = g.Last + 1 // what it took away is looked for again too
	}
	if idle {
		return
	}
	for i := range g.Events {
		note(c.recent, &g.Events[i])
	}
}

func (c *committer) answer(p *pending) {
	if claim := p.request.Claim; claim != nil {
		if p.err == nil {
			claim.settle(p.first, len(p.request.Events))
		} else {
			claim.settle(0, 0)
		}
	}
	if p.request.conditional() {
		// Not when its publisher leaves: who gives up leaves it in the queue.
		c.log.expecting.Add(-1)
	}
	close(p.done)
}
