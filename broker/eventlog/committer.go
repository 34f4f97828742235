package eventlog

import (
	"errors"
	"fmt"
	"runtime"
)

// pending is a request that waits for the committer.
type pending struct {
	request *Request
	size    int
	heads   []uint64 // of the streams that conditions speak of, as found before queueing
	done    chan struct{}
	first   uint64
	err     error
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

type streamKey struct{ space, stream string }

// committer is the one goroutine that gives ids.
type committer struct {
	log    *Log
	last   uint64
	recent map[streamKey]uint64 // heads that changed while conditions were under way
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
	group, accepted := c.group(batch)
	err := c.commit(group)
	if err == nil {
		c.remember(group)
		c.log.settled.Store(group.Last)
		if c.log.tail != nil && len(group.Events) > 0 {
			c.log.tail(group.Events)
		}
	}
	for _, p := range accepted {
		if err != nil {
			p.err = err
		}
		c.answer(p)
	}
	return true
}

func (c *committer) take() []*pending {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && (n == 0 || size+l.queue[n].size <= groupBytes) {
		size += l.queue[n].size
		n++
	}
	batch := l.queue[:n:n]
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.waiting -= size
	return batch
}

// group checks conditions in order and gives ids; requests whose conditions fail are answered here.
func (c *committer) group(batch []*pending) (*Group, []*pending) {
	g := &Group{}
	changed := map[streamKey]uint64{}
	accepted := make([]*pending, 0, len(batch))
	now := uint64(c.log.options.Now().UnixMicro())
	for _, p := range batch {
		first := max(c.last+1, now)
		if p.err = c.holds(p, first, changed); p.err != nil {
			c.answer(p)
			continue
		}
		p.first = first
		events := p.request.Events
		for i := range events {
			events[i].ID = first + uint64(i)
			if events[i].Stream != "" {
				changed[streamKey{events[i].Space, events[i].Stream}] = events[i].ID
			}
		}
		c.last = first + uint64(len(events)) - 1
		g.Events = append(g.Events, events...)
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

// holds checks a request's conditions against the heads found before queueing, what changed since,
// what this group changed, and the request's own events before each.
func (c *committer) holds(p *pending, first uint64, changed map[streamKey]uint64) error {
	for n, x := range p.request.Expect {
		e := &p.request.Events[x.Index]
		key := streamKey{e.Space, e.Stream}
		head := max(p.heads[n], c.recent[key], changed[key])
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

// commit is the engine's, with an error that callers can decide on. Ids taken by a failed group are
// not given out again.
func (c *committer) commit(g *Group) error {
	if len(g.Events) == 0 {
		return nil
	}
	err := c.log.engine.Commit(g)
	if c.log.dead() {
		return fmt.Errorf("%w: %w: it has failed", ErrUnavailable, ErrUnknown)
	}
	if err != nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// remember notes the heads that changed, for requests that looked theirs up before. A publisher
// counts itself before it looks; the count is read here after the commit can be seen. So one that
// is not counted yet will find what was committed.
func (c *committer) remember(g *Group) {
	if c.log.expecting.Load() == 0 {
		if len(c.recent) > 0 {
			clear(c.recent)
		}
		return
	}
	for i := range g.Events {
		if e := &g.Events[i]; e.Stream != "" {
			c.recent[streamKey{e.Space, e.Stream}] = e.ID
		}
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
	close(p.done)
}
