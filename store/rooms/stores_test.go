package rooms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// openLog opens a log in memory, which a synctest bubble can have.
func openLog(t *testing.T, engine eventlog.Engine) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

// What one store of a log makes and drops is there and gone for the other one at once.
func TestStoresAgree(t *testing.T) {
	t.Parallel()
	a, _ := openRooms(t, engines["pebble"])
	b := openStore(t, a.o.Log, 24*time.Hour)
	ctx := t.Context()
	enter := func(r *Rooms, want error) {
		t.Helper()
		err := r.Enter(ctx, "x")
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		if err == nil {
			r.Leave("x")
		}
	}
	enter(b, ErrNoRoom)
	if err := a.Make(ctx, key("k"), "x"); err != nil {
		t.Fatal(err)
	}
	enter(b, nil)
	if err := b.Make(ctx, key("other"), "x"); err != nil { // it exists
		t.Fatal(err)
	}
	if x, y := a.Count(), b.Count(); x != 1 || y != 1 {
		t.Errorf("there are %d and %d rooms", x, y)
	}
	if n, err := b.drop(ctx, allRooms(t, b), a.o.Log.Clock().Now()+1, 0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	enter(a, ErrNoRoom)
	enter(b, ErrNoRoom)
	if x, y := a.Count(), b.Count(); x != 0 || y != 0 {
		t.Errorf("there are %d and %d rooms", x, y)
	}
	if len(a.makers.count)+len(b.makers.count) != 0 {
		t.Errorf("their makers have %v and %v", a.makers.count, b.makers.count)
	}
	if c := openStore(t, a.o.Log, time.Hour); c.Count() != 0 {
		t.Errorf("a third store counts %d", c.Count())
	}
}

// A store does not drop a room that somebody is in at another store, pushed to or not. It drops the room once it was
// left.
func TestInhabitedElsewhere(t *testing.T) {
	t.Parallel()
	for name, pushed := range map[string]bool{"pushed to": true, "unused": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := openLog(t, memory.Open(memory.Options{}))
				const retention = 2 * time.Second
				a := openStore(t, log, retention)
				time.Sleep(130 * time.Millisecond) // so that they do not look at the same moments
				b := openStore(t, log, retention)
				ctx := t.Context()
				for _, id := range []string{"inhabited", "empty"} {
					if err := a.Make(ctx, key("k"), id); err != nil {
						t.Fatal(err)
					}
				}
				if err := errors.Join(a.Enter(ctx, "inhabited"), a.Connect("inhabited")); err != nil {
					t.Fatal(err)
				}
				last := uint64(0)
				if pushed {
					if _, err := log.Append(ctx, push("inhabited", "1")); err != nil {
						t.Fatal(err)
					}
					last = 1
				}
				time.Sleep(10 * retention)
				if _, there, err := log.KeyedSpace(Space("empty")); err != nil || there {
					t.Errorf("the empty room is there: %t, %v", there, err)
				}
				if s, there, err := log.KeyedSpace(Space("inhabited")); err != nil || !there || s.Seq != last || b.Count() != 1 {
					t.Errorf("the room exists: %t, with the number %d: %v", there, s.Seq, err)
				}
				p := push("inhabited", "2")
				if _, err := log.Append(ctx, p); err != nil || p.Events[0].Seq != last+1 {
					t.Errorf("the next push has the number %d: %v", p.Events[0].Seq, err)
				}
				a.Disconnect("inhabited")
				time.Sleep(2 * retention)
				if a.Count()+b.Count() != 0 {
					t.Error("the room is there although everybody has left")
				}
			})
		})
	}
}

// holding is an engine whose commits wait while the gate is shut. Unlike gated it can be used in a synctest bubble.
type holding struct {
	eventlog.Engine
	gate atomic.Pointer[chan struct{}]
}

func (h *holding) Commit(g *eventlog.Group) error {
	if gate := h.gate.Load(); gate != nil {
		<-*gate
	}
	return h.Engine.Commit(g)
}

func (h *holding) shut() (open func()) {
	gate := make(chan struct{})
	h.gate.Store(&gate)
	return func() { h.gate.Store(nil); close(gate) }
}

// A room that is made or dropped after the one who asked has given up is there, or gone, at once, and counts right.
func TestLateOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &holding{Engine: memory.Open(memory.Options{})}
		log := openLog(t, engine)
		r := openStore(t, log, 24*time.Hour)
		ctx := t.Context()
		state := func(what string, count, ofMaker int, want error) {
			t.Helper()
			synctest.Wait()
			err := r.Enter(ctx, "x")
			if err == nil {
				r.Leave("x")
			}
			if n, m := r.Count(), r.makers.count[key("k").Owner]; n != count || m != ofMaker || !errors.Is(err, want) {
				t.Errorf("%s: %d rooms, %d of the maker; entering: %v", what, n, m, err)
			}
		}
		open := engine.shut()
		if err := r.Make(ctx, key("k"), "x"); !errors.Is(err, eventlog.ErrUnknown) {
			t.Fatal(err)
		}
		state("not made yet", 0, 0, ErrNoRoom)
		open()
		state("made late", 1, 1, nil)

		drop := func() {
			t.Helper()
			if _, err := r.drop(ctx, allRooms(t, r), log.Clock().Now()+1, 0); !errors.Is(err, eventlog.ErrUnknown) {
				t.Fatal(err)
			}
		}
		open = engine.shut()
		gone, leave := context.WithCancel(ctx)
		leave()
		_, _ = log.Append(gone, push("x", "1"))
		drop()
		state("in doubt", 1, 1, eventlog.ErrNoAnswer)
		open()
		if err := r.look(ctx); err != nil {
			t.Error(err)
		}
		state("refused late", 1, 1, nil)

		open = engine.shut()
		drop()
		open()
		state("dropped late", 0, 0, ErrNoRoom)
	})
}

// As many rooms as allowed can be made at once, and no more.
func TestMostRoomsAtOnce(t *testing.T) {
	t.Parallel()
	r, _ := openRooms(t, engines["memory"])
	const most = 200
	r.made.max = most
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range 4 * most {
		all.Go(func() {
			err := r.Make(t.Context(), key("k"), fmt.Sprint(i%(2*most))) // each id twice
			var full *Refusal
			if err == nil {
				made.Add(1)
			} else if !errors.As(err, &full) || full.Reason != TooMany {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(allRooms(t, r)); n != most || r.Count() != most || len(r.made.making) != 0 || made.Load() < most {
		t.Errorf("%d rooms exist, %d are counted, %d are being made; %d were answered", n, r.Count(), len(r.made.making), made.Load())
	}
	if err := r.Make(t.Context(), key("k"), idOf(allRooms(t, r)[0].Space)); err != nil {
		t.Errorf("one that exists: %v", err)
	}
	if n := r.makers.count[key("k").Owner]; n != most {
		t.Errorf("their maker has %d", n)
	}
}

// A room that is being made counts once: as a reservation until it is stored, and then as a room.
func TestCensusCountsOnce(t *testing.T) {
	t.Parallel()
	c := &census{max: 2, making: map[string]*making{}}
	is := func(step string, right, full bool) {
		t.Helper()
		if !right || c.hasRoom() == full {
			t.Errorf("%s: %d rooms, %d reserved", step, c.count, c.reserved)
		}
	}
	made := func(id string, seq byte) {
		value, n := make([]byte, 16), 1
		if value[7] = seq; seq > 0 {
			n = 0
		}
		c.follow(eventlog.Changes{Made: n, Rows: []eventlog.Row{{Key: rowKey(id), Value: value}}})
	}
	gone := func(id string) { c.follow(eventlog.Changes{Rows: []eventlog.Row{{Key: rowKey(id)}}}) }
	a, second := c.begin("a"), c.begin("a")
	is("a is reserved", c.reserve(a), false)
	is("a is reserved by another", c.reserve(second), false)
	made("a", 0)
	is("a is made", c.reserve(second), false)
	b := c.begin("b")
	is("b is reserved", c.reserve(b), true)
	is("c is too many", !c.reserve(c.begin("c")), true)
	is("a exists", c.reserve(a), true)
	c.end("a", a)
	c.end("a", second)
	c.end("c", c.making["c"])
	made("a", 1)
	is("a was pushed to", true, true)
	c.end("b", b)
	is("b was not made", true, false)
	made("b", 0)
	is("b is made elsewhere", true, true)
	b = c.begin("b")
	is("b exists, which only its row says", !c.reserve(b), true)
	gone("b")
	is("b is gone, and reserved again", c.reserve(b), true)
	made("b", 0)
	gone("b")
	is("b is gone while somebody who wants it is here", true, true)
	c.end("b", b)
	gone("a")
	if c.count+c.reserved+len(c.making) != 0 {
		t.Errorf("left behind: %d rooms, %d reserved, %d being made", c.count, c.reserved, len(c.making))
	}
}
