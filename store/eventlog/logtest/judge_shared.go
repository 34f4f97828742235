package logtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

// JudgeShared compares logs that share a journal, while their publishers append requests of all kinds and the journal, the
// engines and the logs have trouble. At the end all have the same state. What was acknowledged is in all of them, and nothing
// is there twice. The first opener's log has no trouble of its own: requests are drawn from its state.
func JudgeShared(t *testing.T, openers ...Opener) {
	rapid.Check(t, func(check *rapid.T) {
		var failed any
		synctest.Test(t, func(*testing.T) {
			defer func() { failed = recover() }() // a panic must leave the bubble, as rapid ends a check by one
			share(check, openers)
		})
		if failed != nil {
			panic(failed)
		}
	})
}

func share(t *rapid.T, openers []Opener) {
	s := newSharing(t, openers)
	defer s.close(t)
	for range rapid.IntRange(5, 60).Draw(t, "steps") {
		s.step(t)
	}
	s.calm(t)
	s.compare(t)
}

// sharing is logs that share a journal.
type sharing struct {
	judge
	journal *Shared
	members []*sharer
	asked   []*asked
	waiting int // requests without an outcome
	answers chan *asked
}

// sharer is one of the logs.
type sharer struct {
	*node
	view   *SharedNode
	times  map[string]int // how often an event came, by its data
	ids    map[string]uint64
	opened int // how often it was opened
}

// asked is a request and its outcome.
type asked struct {
	entry   eventlog.Entry
	outcome outcome
	err     error
	stored  int // calls of Stored
}

func newSharing(t *rapid.T, openers []Opener) *sharing {
	s := &sharing{journal: NewShared(), answers: make(chan *asked, 1000)}
	s.made.of = &s.judge
	for i, o := range openers {
		r := retentions(t)
		n := &node{name: string(rune('A' + i)), opener: o.Fresh(), clock: NewClock()}
		n.config = Config{Source: n.clock.Source(), Retain: func(string) eventlog.Retention { return r }}
		n.clock.Step(time.Duration(rapid.IntRange(-7200, 7200).Draw(t, "off")) * time.Second)
		m := &sharer{node: n, times: map[string]int{}, ids: map[string]uint64{}}
		s.open(t, m)
		s.members = append(s.members, m)
	}
	s.first = s.members[0].node
	return s
}

func (s *sharing) open(t *rapid.T, m *sharer) {
	n := m.node
	n.engine = &flaky{Engine: n.opener.Open(t, n.config), stores: n.opener.Durable(), left: -1}
	if !n.opener.Durable() {
		clear(m.times) // it applies everything again
	}
	m.opened++
	m.view = s.journal.NodeAfter(n.engine.Applied().Place)
	m.view.SetMost(rapid.IntRange(0, 3).Draw(t, "at once"))
	log, err := eventlog.Open(n.engine, eventlog.Options{Journal: m.view, TryAgain: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	n.log = log
	log.Tail(func(events []eventlog.Event, _ uint64) {
		for i := range events {
			data := string(events[i].Data)
			m.times[data]++
			m.ids[data] = events[i].ID
		}
	})
	log.Derive(derivedFrom, derive)
	n.followed, n.spaces = map[string]string{}, 0
	if err := log.Follow("", n.follow); err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- log.Start(context.Background()) }()
	synctest.Wait() // it may wait for a leader, or until it is closed
	select {
	case err := <-started:
		if err != nil {
			t.Fatal(err)
		}
	default:
	}
}

func (s *sharing) close(t *rapid.T) {
	for _, m := range s.members {
		closeLog(t, m.log)
	}
	synctest.Wait()
}

// step appends a request, or makes trouble.
func (s *sharing) step(t *rapid.T) {
	synctest.Wait()
	s.take()
	m := rapid.SampledFrom(s.members).Draw(t, "member")
	switch rapid.SampledFrom([]string{"", "", "", "", "", "", "", "", "", "time", "plan", "plan", "hold", "leader", "restart", "fail", "again"}).Draw(t, "step") {
	case "time":
		time.Sleep(time.Duration(rapid.IntRange(1, 20_000).Draw(t, "passes")) * time.Millisecond)
		for _, m := range s.members {
			m.clock.Add(10 * time.Second)
		}
	case "plan":
		s.journal.Plan(rapid.SampledFrom([]Trouble{LoseProposal, LoseAnswer, Repeat}).Draw(t, "trouble"))
	case "hold":
		if m.view.Hold(); rapid.Bool().Draw(t, "release") {
			m.view.Release()
		}
	case "leader":
		s.journal.Lead(rapid.Bool().Draw(t, "there"))
	case "restart":
		if m != s.members[0] {
			closeLog(t, m.log)
			s.open(t, m)
		}
	case "fail":
		if m != s.members[0] {
			m.engine.fail(rapid.IntRange(0, 9).Draw(t, "after"), rapid.IntRange(1, 3).Draw(t, "times"))
		}
	case "again":
		if n := s.journal.Len(); n > 0 {
			s.journal.Again(rapid.Uint64Range(1, n).Draw(t, "message"))
		}
	default:
		s.append(t, m)
	}
}

// append lets a publisher append a request, and mostly waits for its outcome.
func (s *sharing) append(t *rapid.T, m *sharer) {
	a := &asked{entry: s.made.entry(t, false)}
	at := time.UnixMicro(int64(a.entry.At))
	s.journal.SetNow(func() time.Time { return at })
	r := a.entry.Request
	r.Stored = func() { a.stored++ }
	s.asked = append(s.asked, a)
	s.waiting++
	log := m.log
	go func() {
		first, err := log.Append(context.Background(), r)
		a.outcome, a.err = newOutcome(first, err, r), err
		s.answers <- a
	}()
	if rapid.IntRange(0, 3).Draw(t, "waits") > 0 {
		synctest.Wait()
	}
}

// take notes the outcomes that are there.
func (s *sharing) take() {
	for {
		select {
		case a := <-s.answers:
			s.waiting--
			s.made.learn(&a.entry, a.outcome)
		default:
			return
		}
	}
}

// calm ends all trouble, and waits until nobody waits any more.
func (s *sharing) calm(t *rapid.T) {
	s.journal.Lead(true)
	for _, m := range s.members {
		m.view.Release()
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	for s.take(); s.waiting > 0; {
		t.Fatalf("%d requests have no outcome", s.waiting)
	}
	s.journal.Add(1<<40, s.journal.Len()+1, &eventlog.Request{Rows: []eventlog.Row{{Key: "end", Value: []byte{1}}}})
	for _, m := range s.members {
		if err := m.log.Barrier(context.Background()); err != nil {
			t.Fatalf("%s at the end: %v", m.name, err)
		}
		m.engine.fail(-1, 0)
	}
	synctest.Wait()
}

// compare compares all members.
func (s *sharing) compare(t *rapid.T) {
	want := s.first.digest(t)
	for _, m := range s.members {
		if m.digest(t) != want {
			got, want := m.describe(t), s.first.describe(t)
			t.Fatalf("after the requests\n%s\n%s alone has\n%s\nthe first alone has\n%s", s.list(), m.name, without(got, want), without(want, got))
		}
		if got, want := m.engine.Stored().Chain, s.first.engine.Stored().Chain; got != want {
			t.Fatalf("%s has the chain %x, the first %x", m.name, got, want)
		}
		if _, disagreed := m.view.Claims(); len(disagreed) > 0 {
			t.Fatalf("%s disagrees with %d", m.name, disagreed)
		}
		rows := map[string]string{}
		if err := m.log.Rows("", func(r eventlog.Row) error { rows[r.Key] = string(r.Value); return nil }); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(rows, m.followed) {
			t.Fatalf("%s has the rows %q, its follower has %q", m.name, rows, m.followed)
		}
		if m.early != "" {
			t.Fatalf("%s got something before it was stored: %s", m.name, m.early)
		}
		s.whole(t, m)
	}
}

// whole checks that a member got each acknowledged event once, and no other event twice.
func (s *sharing) whole(t *rapid.T, m *sharer) {
	for data, n := range m.times {
		if n != 1 && data != "" {
			t.Fatalf("%s got the event %s %d times, after\n%s", m.name, data, n, s.list())
		}
	}
	for _, a := range s.asked {
		unknown := errors.Is(a.err, eventlog.ErrUnknown)
		if should := a.err == nil && !a.outcome.replayed; !unknown && (a.stored == 1) != should || a.stored > 1 {
			t.Fatalf("Stored was called %d times for %s, which came to %v", a.stored, describe(&a.entry), a.err)
		}
		for i := range a.entry.Request.Events {
			e := &a.entry.Request.Events[i]
			if data := string(e.Data); data != "" && !unknown {
				acknowledged := a.err == nil && !a.outcome.replayed
				if (m.times[data] == 1) != acknowledged || acknowledged && m.ids[data] != a.outcome.events[i].ID {
					t.Fatalf("%s got %s %d times with the id %d, which came to %+v", m.name, data, m.times[data], m.ids[data], a.outcome)
				}
			}
		}
	}
}

// list is the requests as text.
func (s *sharing) list() string {
	var texts []string
	for _, a := range s.asked {
		texts = append(texts, fmt.Sprintf("%s -> %d %v", describe(&a.entry), a.outcome.first, a.err))
	}
	return fmt.Sprint(slices.Clip(texts))
}
