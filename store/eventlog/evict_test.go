package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

// failing is an engine of which every seventh commit fails and stores nothing, and some reads of spaces fail.
type failing struct {
	eventlog.Engine
	commits, reads int
}

func (f *failing) Keyed(ctx context.Context, space string, key *string, each func(eventlog.Event) error) (uint64, error) {
	if f.reads++; f.reads%211 == 0 {
		return 0, errors.New("a read that fails")
	}
	return f.Engine.Keyed(ctx, space, key, each)
}

func (f *failing) Commit(g *eventlog.Group) error {
	if f.commits++; f.commits%7 == 0 {
		return eventlog.ErrDiskFull
	}
	return f.Engine.Commit(g)
}

// A push that was answered has its number to itself, and the numbers of a space have no hole, although the cache forgets
// nearly all spaces after each group and some commits and reads fail.
func TestNumbersOutliveTheCache(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() (eventlog.Engine, error){
		"memory": func() (eventlog.Engine, error) { return memory.Open(memory.Options{}), nil },
		"pebble": func() (eventlog.Engine, error) { return pebble.Open(pebble.Options{Dir: "data", FS: vfs.NewMem()}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine, err := open()
			if err != nil {
				t.Fatal(err)
			}
			log, err := eventlog.Open(&failing{Engine: engine}, eventlog.Options{KnownBytes: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			}()
			const writers, pushes, spaces = 64, 100, 40
			for i := range spaces {
				logtest.MakeKeyed(t, log, fmt.Sprint("$room/", i))
			}
			var mu sync.Mutex
			stored := map[string]map[uint64]string{} // by space and number
			push := func(random *rand.Rand, text string) {
				r := &eventlog.Request{}
				for range 1 + random.IntN(3) {
					space := fmt.Sprint("$room/", random.IntN(spaces))
					r.Events = append(r.Events, eventlog.Event{Space: space, Name: "push", Op: eventlog.Append, Key: "k", Data: []byte(text)})
				}
				if _, err := log.Append(context.Background(), r); err != nil {
					if !errors.Is(err, eventlog.ErrDiskFull) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, e := range r.Events {
					if stored[e.Space] == nil {
						stored[e.Space] = map[uint64]string{}
					}
					if other, taken := stored[e.Space][e.Seq]; taken {
						t.Errorf("%s gave the number %d to %s and to %s", e.Space, e.Seq, other, text)
					}
					stored[e.Space][e.Seq] = text
				}
			}
			var all sync.WaitGroup
			for writer := range writers {
				all.Go(func() {
					random := rand.New(rand.NewPCG(uint64(writer), 0))
					for i := range pushes {
						push(random, fmt.Sprintf("[%d,%d]", writer, i))
					}
				})
			}
			all.Wait()
			for space, want := range stored {
				n := uint64(0)
				if _, err := engine.Keyed(context.Background(), space, nil, func(e eventlog.Event) error {
					if n++; e.Seq != n || string(e.Data) != want[n] {
						t.Errorf("entry %d of %s has the number %d and the data %s, want %s", n, space, e.Seq, e.Data, want[n])
					}
					return nil
				}); err != nil || n != uint64(len(want)) {
					t.Errorf("%s retains %d entries of %d: %v", space, n, len(want), err)
				}
			}
		})
	}
}

// A push to a space that does not exist is refused, and makes nothing. The order of the log decides, also within one
// commit.
func TestPushNeedsItsSpace(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"known": 0, "forgotten": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := &slowEngine{memory.Open(memory.Options{}), make(chan struct{}), make(chan struct{})}
			log, err := eventlog.Open(engine, eventlog.Options{KnownBytes: limit})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			}()
			const space = "$room/a"
			push := func() *eventlog.Request {
				return &eventlog.Request{Events: []eventlog.Event{{Space: space, Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")}}}
			}
			if _, err := log.Append(t.Context(), push()); !errors.Is(err, eventlog.ErrNoSpace) {
				t.Errorf("a push to no space: %v", err)
			}
			create := func() *eventlog.Request { return &eventlog.Request{Make: space} }
			gone, leave := context.WithCancel(t.Context())
			leave()
			for i, step := range []struct {
				drop     bool                // the space, before the requests
				requests []*eventlog.Request // of one commit
				stored   []bool
				last     uint64 // number at the end
			}{
				{false, []*eventlog.Request{push(), create(), push(), create(), push()}, []bool{false, true, true, false, true}, 2},
				{false, []*eventlog.Request{push()}, []bool{true}, 3},
				{true, []*eventlog.Request{push(), push()}, []bool{false, false}, 0},
				{false, []*eventlog.Request{push(), create(), push()}, []bool{false, true, true}, 1},
				{true, []*eventlog.Request{create(), push()}, []bool{true, true}, 1},
			} {
				done := make(chan error)
				go func() {
					_, err := log.Append(t.Context(), &eventlog.Request{Events: []eventlog.Event{{Name: "slow", Data: []byte("0")}}})
					done <- err
				}()
				<-engine.begun
				if s, _, err := log.KeyedSpace(space); step.drop && (err != nil || !errors.Is(log.Drop(gone, s), eventlog.ErrUnknown)) {
					t.Fatal("not queued:", err)
				}
				stored := make([]bool, len(step.requests))
				for i, r := range step.requests {
					r.Stored = func() { stored[i] = true }
					if _, err := log.Append(gone, r); !errors.Is(err, eventlog.ErrUnknown) {
						t.Fatal("not queued:", err)
					}
				}
				engine.go_ <- struct{}{}
				if _, err := log.Append(t.Context(), &eventlog.Request{}); errors.Join(err, <-done) != nil { // waits for all
					t.Fatal(err)
				}
				if !slices.Equal(stored, step.stored) {
					t.Errorf("step %d: stored are %t, want %t", i, stored, step.stored)
				}
				if s, there, err := log.KeyedSpace(space); err != nil || there != (step.last > 0) || s.Seq != step.last {
					t.Errorf("step %d: it exists: %t, with the number %d, want %d: %v", i, there, s.Seq, step.last, err)
				}
			}
		})
	}
}
