package eventlog

import (
	"errors"
	"fmt"
	"time"
)

// groupBytes is the most that one commit takes, unless a single request is larger.
const groupBytes = 4 << 20

// committer is the one goroutine that applies entries. What it does with an entry depends on the state and on the entry
// alone, never on a clock, a setting or the group that the entry is in.
//
// A request ends in one of two ways. Refused: the state does not allow it, and it would be refused everywhere. Stored. A
// failure, as of the disk, is no outcome: the committer tries again until it works or the engine is dead. It never goes on
// without an entry, since later entries may depend on it.
type committer struct {
	log     *Log
	engine  Applier
	applied Applied
	recent  map[subject]uint64 // what changed while conditional requests were under way; see remember
	forgot  uint64             // recent has nothing up to this position
	cache   spaceCache
	rows    rowCache
	origins origins // nil in a journal that is not shared
	chains  *chains // the same
}

func (c *committer) run(j Journal) {
	for {
		entries := j.Next()
		if len(entries) == 0 {
			return
		}
		for len(entries) > 0 {
			n := together(entries)
			if err := c.step(entries[:n]); err != nil {
				c.log.abandon(entries, err)
				return
			}
			entries = entries[n:]
		}
	}
}

// together is the number of entries that go into one commit. An edit and a run are commits of their own: a Group has one
// place for each, and an engine applies an edit before all else.
func together(entries []Entry) int {
	for i := range entries {
		if r := entries[i].Request; r != nil && r.alone() {
			return max(1, i)
		}
	}
	return len(entries)
}

// lastTries is the number of tries after a failure once the log is closing.
const lastTries = 3

// step applies entries and stores them in one commit. If it cannot, it tries again. It returns an error only if the engine
// is dead or the log is closing.
func (c *committer) step(entries []Entry) error {
	l := c.log
	l.applying.Lock()
	defer l.applying.Unlock()
	for tries := 1; ; tries++ {
		g, err := c.group(entries)
		if err == nil {
			err = c.commit(g.Group)
		}
		if err == nil {
			c.settle(g, entries)
			return nil
		}
		c.cache.clear() // these have changes that were not stored
		c.rows.clear()
		if l.dead() || errors.Is(err, ErrClosed) {
			return err
		}
		if tries == 1 {
			l.options.Logger.Error("the log cannot store what it has accepted, and tries again", "cause", err)
		}
		select {
		case <-l.quit:
			if tries >= lastTries {
				return err
			}
		default:
		}
		select {
		case <-time.After(l.options.TryAgain):
		case <-l.failed:
		}
	}
}

// settle makes a stored group visible. The order matters: readers may see the events only when they are committed, the
// followers and the tail must have them before the publishers get their answers, and remember must run after the commit is
// visible.
func (c *committer) settle(g *grouping, entries []Entry) {
	l := c.log
	c.applied = g.Applied
	c.remember(g.Group)
	c.origins.install(g.origins)
	if err := l.clock.SetMarks(g.Marks); err != nil {
		panic(err) // this process has made them
	}
	for i := range g.Answers {
		l.answers.add(g.Answers[i])
	}
	c.cache.trim()
	c.rows.forgetKeyed(g.Rows)
	c.rows.trim()
	l.follow(g.Group, g.made)
	l.place.Store(g.Place)
	l.settle(g.Last)
	if l.tail != nil {
		l.tail(g.Events, g.Last)
	}
	if l.edited != nil && g.Edit != nil {
		l.edited(g.Edit)
	}
	if l.shared != nil {
		c.messages(entries)
	}
	for i := range entries {
		e := &entries[i]
		if p := e.waiting; p != nil {
			p.first, p.err = e.first, e.err
			l.answer(p)
		}
		if e.Done != nil {
			e.Done(e.first, e.err)
		}
	}
}

// commit calls the engine. A group without a change is not stored.
func (c *committer) commit(g *Group) error {
	if g.empty() {
		return nil
	}
	if err := c.engine.Commit(g); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if c.log.dead() {
		return fmt.Errorf("%w: it has failed", ErrUnavailable)
	}
	return nil
}

// abandon answers all who wait, as nothing can be stored any more. What became of the entries is not known: a part of them
// may be on the disk.
func (l *Log) abandon(entries []Entry, err error) {
	err = fmt.Errorf("%w: %w", ErrUnknown, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abandoned = fmt.Errorf("%w: it has ended after a failure", ErrUnavailable)
	for i := range entries {
		if p := entries[i].waiting; p != nil {
			p.first, p.err = 0, err
			l.answer(p)
		}
	}
	l.refuse(l.abandoned)
}

// refuse answers all who wait in the queue. The caller holds the lock.
func (l *Log) refuse(err error) {
	for {
		waiting := l.queue.take(nil, groupBytes)
		if len(waiting) == 0 {
			return
		}
		for _, p := range waiting {
			p.err = err
			l.answer(p)
		}
	}
}

// remember notes what a group changed, for conditional requests that looked before the commit:
//
//	request:    count itself in expecting -> look (reads settled, then heads and keys) -> queue
//	committer:  commit is visible -> read expecting -> note the changes, or forget all if it is 0
//
// If the committer reads 0, every later request counts itself, and so looks, after the commit is visible: it finds the
// changes by itself. Otherwise recent has them. A request that looked before recent was cleared (looked < forgot) looks
// again in holds.
func (c *committer) remember(g *Group) {
	idle := c.log.expecting.Load() == 0
	if len(c.recent) > 0 && (idle || len(c.recent) > recentMost || g.Edit != nil) {
		clear(c.recent)
		c.forgot = g.Last
	}
	if g.Edit != nil {
		if len(g.Edit.DropRows) > 0 {
			c.rows.clear()
		}
		for name := range g.Edit.Spaces() {
			c.cache.forget(name)
		}
		c.forgot = g.Last + 1 // +1: the edit may have no ids of its own, so a request may have looked at Last before it
	}
	if idle {
		return
	}
	for i := range g.Events {
		note(c.recent, &g.Events[i])
	}
}
