package logtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
	"sluice/store/rows"
)

// node is one log that applies the entries.
type node struct {
	name   string
	opener Opener
	clock  *Clock
	config Config
	known  int64

	engine   *flaky
	journal  *scripted
	log      *eventlog.Log
	applied  int // entries
	tail     []uint64
	followed map[string]string
	spaces   int    // how many keyed spaces there are, by the counts that the follower gets
	early    string // what the tail or the follower got wrong, or before it was stored
}

// scripted is a journal that hands out groups as the judge wants them.
type scripted struct{ groups chan []eventlog.Entry }

func (s *scripted) Next() []eventlog.Entry { return <-s.groups }

func newNode(t *rapid.T, name string, o Opener, r eventlog.Retention, known int64) *node {
	n := &node{name: name, opener: o, clock: NewClock(), known: known}
	n.config = Config{Source: n.clock.Source(), Retain: func(string) eventlog.Retention { return r }}
	n.clock.Step(time.Duration(rapid.IntRange(-30, 300).Draw(t, "begins")) * time.Second)
	n.open(t)
	return n
}

func (n *node) open(t *rapid.T) {
	n.engine = &flaky{Engine: n.opener.Open(t, n.config), stores: n.opener.Durable(), left: -1}
	n.journal = &scripted{make(chan []eventlog.Entry)}
	log, err := eventlog.Open(n.engine, eventlog.Options{Journal: n.journal, KnownBytes: n.known, TryAgain: 1})
	if err != nil {
		t.Fatal(err)
	}
	n.log = log
	log.Tail(func(events []eventlog.Event, position uint64) {
		if last := n.engine.Stored().Last; last != position {
			n.early = fmt.Sprintf("position %d, %d is stored", position, last)
		}
		for i := range events {
			n.tail = append(n.tail, events[i].ID)
		}
	})
	log.Derive(derivedFrom, derive)
	n.followed, n.spaces = map[string]string{}, 0
	if err := log.Follow("", n.follow); err != nil {
		t.Fatal(err)
	}
}

func (n *node) follow(c eventlog.Changes) {
	for _, prefix := range c.Dropped {
		for key := range n.followed {
			if strings.HasPrefix(key, prefix) {
				delete(n.followed, key)
			}
		}
	}
	n.spaces += c.Made
	for _, r := range c.Rows {
		if _, there := n.followed[r.Key]; there && r.Value == nil && strings.HasPrefix(r.Key, rows.Keyed) {
			n.spaces--
		}
		if n.followed[r.Key] = string(r.Value); r.Value == nil {
			delete(n.followed, r.Key)
		}
	}
	if there := len(eventlog.Named(n.followed, rows.Keyed)); there != n.spaces {
		n.early = fmt.Sprintf("%d keyed spaces are counted, %d are there", n.spaces, there)
	}
	for _, r := range c.Rows {
		stored, err := n.engine.Engine.Row(r.Key)
		if known, there := n.followed[r.Key]; err != nil || string(stored) != known || (stored != nil) != there {
			n.early = fmt.Sprintf("row %s is %q, %q is stored (%v)", r.Key, known, stored, err)
		}
	}
}

func (n *node) close(t *rapid.T) {
	close(n.journal.groups)
	closeLog(t, n.log)
}

// reopen restarts the node. The journal goes on after what is stored.
func (n *node) reopen(t *rapid.T) {
	n.close(t)
	n.open(t)
	stored := int(n.engine.Applied().Place)
	if stored > n.applied {
		t.Fatalf("%s has stored %d entries of %d", n.name, stored, n.applied)
	}
	n.applied = stored
}

// catchUp applies the entries that the node has not applied.
func (n *node) catchUp(t *rapid.T, j *judge) {
	for n.applied < len(j.entries) {
		n.clock.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "passed")) * time.Second)
		n.clock.Step(time.Duration(rapid.IntRange(-100, 100).Draw(t, "stepped")) * time.Second)
		n.trims(t)
		size := rapid.IntRange(1, min(12, len(j.entries)-n.applied)).Draw(t, "group")
		group := clones(j.entries[n.applied : n.applied+size])
		trouble := rapid.SampledFrom([]string{"", "", "", "reopen", "fail", "fail", "fail", "crash"}).Draw(t, "trouble")
		times := 0
		switch {
		case trouble == "reopen" && n.opener.Durable():
			n.reopen(t)
			continue
		case trouble == "fail":
			times = rapid.IntRange(1, 3).Draw(t, "times")
		case trouble == "crash" && n.opener.Durable():
			times = always
		}
		n.engine.fail(rapid.IntRange(0, 3*size).Draw(t, "after"), times)
		outcomes := n.feed(t, group)
		for i, o := range outcomes {
			if want := j.outcomes[n.applied+i]; !o.same(&want) {
				t.Fatalf("%s: the outcome of entry %d is\n%+v\nthat of the first was\n%+v\nafter the entries\n%s", n.name, n.applied+i+1, o, want, j.list())
			}
		}
		if n.applied += size; times == always {
			n.reopen(t)
		}
	}
}

// feed lets the node apply a group, and waits for its outcomes. If the engine fails for good, it returns those it has.
func (n *node) feed(t *rapid.T, group []eventlog.Entry) []outcome {
	done := make(chan outcome, len(group))
	for i := range group {
		e := &group[i]
		e.Done = func(first uint64, err error) { done <- newOutcome(first, err, e.Request) }
	}
	n.journal.groups <- group
	var outcomes []outcome
	deadline := time.After(20 * time.Second)
	for range group {
		select {
		case o := <-done:
			outcomes = append(outcomes, o)
		case <-n.engine.gone: // after all outcomes that come
			for len(done) > 0 {
				outcomes = append(outcomes, <-done)
			}
			return outcomes
		case <-deadline:
			t.Fatalf("%s: %d of %d entries have no outcome", n.name, len(group)-len(outcomes), len(group))
		}
	}
	return outcomes
}

// trims is what the node's own retention would cut now.
func (n *node) trims(t *rapid.T) []eventlog.Trim {
	trims, err := n.engine.Engine.(interface {
		Trims(context.Context) ([]eventlog.Trim, error)
	}).Trims(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(trims, func(a, b eventlog.Trim) int { return cmp.Compare(a.Space, b.Space) })
	return trims
}

// describe is the state as text.
func (n *node) describe(t *rapid.T) string {
	var b strings.Builder
	stored := n.engine.Stored()
	fmt.Fprintf(&b, "%+v\nruns %v\ntimes %s\n", stored, n.engine.Runs(), n.times())
	for _, s := range n.engine.Spaces() {
		fmt.Fprintf(&b, "space %q cut %d\n", s.Name, s.Floor)
		show := func(e *eventlog.Event) error { fmt.Fprintln(&b, " ", describeEvent(e)); return nil }
		_, err := n.engine.Keyed(context.Background(), s.Name, nil, func(e eventlog.Event) error { return show(&e) })
		if err := errors.Join(err, n.engine.Events(context.Background(), s.Name, show)); err != nil {
			t.Fatal(err)
		}
	}
	err := n.engine.Rows("", func(r eventlog.Row) error { fmt.Fprintf(&b, "%s=%x\n", r.Key, r.Value); return nil })
	if err := errors.Join(err, n.engine.Answers(stored.At-120_000_000+1, func(a eventlog.Answer) { fmt.Fprintf(&b, "answer %d of %d\n", a.First, a.Key[0]) })); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// times are the wall clock's times of the last events.
func (n *node) times() string {
	var texts []string
	for _, id := range n.tail[max(0, len(n.tail)-20):] {
		texts = append(texts, fmt.Sprint(id, "=", n.log.Clock().Stamp(id)-int64(id)))
	}
	return strings.Join(slices.Compact(texts), " ")
}
