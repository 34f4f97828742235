package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
	"sluice/store/eventlog/pebble"
)

// failing is an engine of which every seventh commit fails and stores nothing.
type failing struct {
	eventlog.Engine
	commits int
}

func (f *failing) Commit(g *eventlog.Group) error {
	if f.commits++; f.commits%7 == 0 {
		return eventlog.ErrDiskFull
	}
	return f.Engine.Commit(g)
}

// A push that was answered has its number to itself, and the numbers of a space have no hole, although the cache forgets
// nearly all spaces after each group and some commits fail.
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
				if _, err := log.Keyed(context.Background(), space, nil, func(e eventlog.Event) error {
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

// A push makes its space. A Create of the same commit finds that space, and does not start its numbers again.
func TestCreateAfterPush(t *testing.T) {
	t.Parallel()
	engine := &slowEngine{memory.Open(memory.Options{}), make(chan struct{}), make(chan struct{})}
	log, err := eventlog.Open(engine, eventlog.Options{KnownBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := context.Background()
	gone, leave := context.WithCancel(ctx)
	leave()
	done := make(chan error)
	go func() {
		_, err := log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{{Name: "slow", Data: []byte("0")}}})
		done <- err
	}()
	<-engine.begun
	push := func(ctx context.Context, space string) (*eventlog.Request, error) {
		r := &eventlog.Request{Events: []eventlog.Event{{Space: space, Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")}}}
		_, err := log.Append(ctx, r)
		return r, err
	}
	if _, err := push(gone, "$room/a"); !errors.Is(err, eventlog.ErrUnknown) {
		t.Fatal(err)
	}
	if err := log.Create(gone, "$room/a"); !errors.Is(err, eventlog.ErrUnknown) { // in the same commit
		t.Fatal(err)
	}
	engine.go_ <- struct{}{}
	if _, err := push(ctx, "$room/b"); errors.Join(err, <-done) != nil {
		t.Fatal(err)
	}
	if s, there, err := log.KeyedSpace("$room/a"); err != nil || !there || s.Seq != 1 {
		t.Errorf("its last number is %d, %t: %v", s.Seq, there, err)
	}
	if r, err := push(ctx, "$room/a"); err != nil || r.Events[0].Seq != 2 {
		t.Errorf("the next push has the number %d: %v", r.Events[0].Seq, err)
	}
}
