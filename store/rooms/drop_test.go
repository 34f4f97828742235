package rooms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

// gated is an engine whose commits wait at the gate, if there is one.
type gated struct {
	eventlog.Engine
	gate  atomic.Pointer[chan struct{}]
	stood chan struct{}
}

func (g *gated) Commit(group *eventlog.Group) error {
	if gate := g.gate.Load(); gate != nil {
		g.stood <- struct{}{}
		<-*gate
	}
	return g.Engine.Commit(group)
}

// shut makes the next commits wait until open is called, or until the test ends.
func (g *gated) shut(t *testing.T) (open func()) {
	gate := make(chan struct{})
	g.gate.Store(&gate)
	open = sync.OnceFunc(func() {
		g.gate.Store(nil)
		close(gate)
	})
	t.Cleanup(open)
	return open
}

// engines are the engines that a test runs with.
var engines = map[string]func() (eventlog.Engine, error){
	"memory": func() (eventlog.Engine, error) { return memory.Open(memory.Options{}), nil },
	"pebble": func() (eventlog.Engine, error) { return pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()}) },
}

// openRooms opens the rooms of a new log. Only the test drops some.
func openRooms(t *testing.T, open func() (eventlog.Engine, error)) (*Rooms, *gated) {
	t.Helper()
	engine, err := open()
	if err != nil {
		t.Fatal(err)
	}
	g := &gated{Engine: engine, stood: make(chan struct{}, 100)}
	log, err := eventlog.Open(g, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return openStore(t, log, 24*time.Hour), g
}

// openStore opens the rooms of a log. Several stores of one log are like several processes.
func openStore(t *testing.T, log *eventlog.Log, retention time.Duration) *Rooms {
	t.Helper()
	r, err := Open(Options{
		Log: log, Logger: slog.New(slog.DiscardHandler), Retention: retention, Unused: retention,
		Limits: Limits{Rooms: 1000, CreateRateKey: 1 << 30, Connections: 1000, Rate: 1 << 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func push(id, text string) *eventlog.Request {
	return &eventlog.Request{Events: []eventlog.Event{{Space: Space(id), Name: "push", Op: eventlog.Append, Key: "k", Data: []byte(text)}}}
}

// visit pushes to a room, which is made if there is none.
func visit(ctx context.Context, r *Rooms, id string, f func() error) error {
	err := r.Enter(ctx, id)
	for errors.Is(err, ErrNoRoom) {
		if err := r.Make(ctx, key("k"), id); err != nil {
			return err
		}
		err = r.Enter(ctx, id)
	}
	if err != nil {
		return err
	}
	defer r.Leave(id)
	return f()
}

// allRooms are the rooms of a log.
func allRooms(t *testing.T, r *Rooms) (list []eventlog.KeyedSpace) {
	t.Helper()
	if err := r.o.Log.KeyedSpaces(func(s eventlog.KeyedSpace) error { list = append(list, s); return nil }); err != nil {
		t.Error(err)
	}
	return list
}

const soon = 10 * time.Second

func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(soon):
		t.Fatal("not in time:", what)
	}
	return v
}

// While the log commits a drop, others enter and leave their rooms. Whoever comes to the dropped room waits and finds
// that there is none, and makes it anew.
func TestDropDelaysNoOtherRoom(t *testing.T) {
	t.Parallel()
	r, g := openRooms(t, engines["memory"])
	ctx := context.Background()
	for _, id := range []string{"old", "other"} {
		if err := r.Make(ctx, key("k"), id); err != nil {
			t.Fatal(err)
		}
	}
	s, _, err := r.o.Log.KeyedSpace(Space("old"))
	if err != nil {
		t.Fatal(err)
	}
	open := g.shut(t)
	dropped, other, came, gone := make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() {
		n, err := r.drop(ctx, []eventlog.KeyedSpace{s}, s.Last+1, time.Hour)
		if err == nil && n != 1 {
			err = fmt.Errorf("dropped %d", n)
		}
		dropped <- err
	}()
	within(t, "the commit", g.stood)
	go func() {
		err := r.Enter(ctx, "other")
		if err == nil {
			r.Leave("other")
		}
		other <- err
	}()
	if err := within(t, "another room", other); err != nil {
		t.Error(err)
	}
	short, cancel := context.WithCancel(ctx)
	go func() { gone <- r.Enter(short, "old") }()
	cancel()
	if err := within(t, "somebody who does not wait", gone); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var seq uint64
	go func() {
		came <- visit(ctx, r, "old", func() error {
			p := push("old", "1")
			_, err := r.o.Log.Append(ctx, p)
			seq = p.Events[0].Seq
			return err
		})
	}()
	open()
	if err := errors.Join(within(t, "the drop", dropped), within(t, "the push", came)); err != nil || seq != 1 {
		t.Errorf("the push has the number %d: %v", seq, err)
	}
	if n, list := r.Count(), allRooms(t, r); n != 2 || len(list) != 2 {
		t.Errorf("%d rooms are counted, %v exist", n, list)
	}
	if n := r.makers.count[key("k").Owner]; n != 2 {
		t.Errorf("their maker has %d", n)
	}
}

// A push that waits in the log when its room is judged to be old prevents the drop, also if its sender has given up.
func TestPushPreventsDrop(t *testing.T) {
	t.Parallel()
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, g := openRooms(t, engine)
			ctx := context.Background()
			for _, id := range []string{"a", "b"} {
				if err := r.Make(ctx, key("k"), id); err != nil {
					t.Fatal(err)
				}
			}
			rooms, before := allRooms(t, r), r.o.Log.Settled()+1
			for _, s := range rooms {
				before = max(before, s.Last+1)
			}
			open := g.shut(t)
			pushed, dropped := make(chan error, 1), make(chan int, 1)
			go func() {
				_, err := r.o.Log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{{Name: "e", Data: []byte("1")}}}) // in a commit before
				pushed <- err
			}()
			within(t, "the commit", g.stood)
			gone, leave := context.WithCancel(ctx)
			leave()
			if _, err := r.o.Log.Append(gone, push("a", "1")); !errors.Is(err, eventlog.ErrUnknown) {
				t.Fatal(err)
			}
			go func() {
				n, err := r.drop(ctx, rooms, before, time.Hour)
				if err != nil {
					t.Error(err)
				}
				dropped <- n
			}()
			for begun, marked := time.Now(), 0; marked != 2; time.Sleep(time.Millisecond) { // until it has judged them
				if time.Since(begun) > soon {
					t.Fatal("the drop does not wait for the commit, or waits with a lock")
				}
				if r.mu.TryLock() {
					marked = len(r.dropping)
					r.mu.Unlock()
				}
			}
			open()
			if n := within(t, "the drop", dropped); n != 1 {
				t.Errorf("%d rooms were dropped, not only b", n)
			}
			if err := within(t, "the push", pushed); err != nil {
				t.Error(err)
			}
			s, there, err := r.o.Log.KeyedSpace(Space("a"))
			if err != nil || !there || s.Seq != 1 {
				t.Errorf("a exists: %t, and has the number %d: %v", there, s.Seq, err)
			}
			if err := r.Enter(ctx, "b"); !errors.Is(err, ErrNoRoom) {
				t.Errorf("b: %v", err)
			}
		})
	}
}
