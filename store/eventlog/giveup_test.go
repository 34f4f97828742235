package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// slowEngine delays a commit until it may go on.
type slowEngine struct {
	*memory.Engine
	begun chan struct{}
	go_   chan struct{}
}

func (s *slowEngine) Commit(g *eventlog.Group) error {
	if len(g.Events) > 0 && g.Events[0].Name == "slow" {
		s.begun <- struct{}{}
		<-s.go_
	}
	return s.Engine.Commit(g)
}

// A publisher that gives up leaves its request in the queue. The request's conditions still see what is committed
// before it.
func TestGivenUpConditions(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]*eventlog.Request{
		"expect": {Events: []eventlog.Event{{Name: "late", Stream: "s", Data: []byte("1")}}, Expect: []eventlog.Expectation{{Index: 0, Last: 0}}},
		"key":    {Events: []eventlog.Event{{Name: "late", Stream: "s", Key: "k", Data: []byte("1")}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			engine := &slowEngine{memory.Open(memory.Options{}), make(chan struct{}), make(chan struct{})}
			log, err := eventlog.Open(engine, eventlog.Options{})
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			done := make(chan error, 2)
			add := func(ctx context.Context, r *eventlog.Request) {
				go func() {
					_, err := log.Append(ctx, r)
					done <- err
				}()
			}
			gone, leave := context.WithCancel(ctx)
			// In the late request's stream, and taken by the committer before the late one is queued.
			add(gone, &eventlog.Request{Events: []eventlog.Event{{Name: "slow", Stream: "s", Key: "k", Data: []byte("0")}}})
			<-engine.begun
			add(gone, late)
			synctest.Wait() // until it is queued
			leave()
			for range 2 {
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Fatal(name, err)
				}
			}
			engine.go_ <- struct{}{}
			if _, err := log.Append(ctx, &eventlog.Request{Events: []eventlog.Event{{Name: "last", Data: []byte("0")}}}); err != nil {
				t.Fatal(name, err)
			}
			some, err := log.Streams(ctx, "", "", "", 10)
			if err != nil || len(some) != 1 || some[0].Count != 1 {
				t.Errorf("%s: the stream has %v, %v: the late event is in it", name, some, err)
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestGivenUpMemory: a request whose publisher has given up is still stored, as it is. Those that come after it are others,
// and each publisher gets the id of its own.
func TestGivenUpMemory(t *testing.T) {
	t.Parallel()
	gate := &logtest.Gate{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(gate, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	request := func(name string) *eventlog.Request {
		return &eventlog.Request{Events: []eventlog.Event{{Name: name, Data: []byte("0")}}}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	want := map[string]uint64{} // the ids that the publishers got; 0: given up
	for round := range 20 {
		open := gate.Shut()
		for n := range 3 {
			name := fmt.Sprintf("gone-%d-%d", round, n)
			if _, err := log.Append(gone, request(name)); !errors.Is(err, eventlog.ErrUnknown) {
				t.Fatal(err)
			}
			want[name] = 0
		}
		var mu sync.Mutex
		var group sync.WaitGroup
		for n := range 5 {
			group.Go(func() {
				name := fmt.Sprintf("stays-%d-%d", round, n)
				id, err := log.Append(t.Context(), request(name))
				if err != nil || id == 0 {
					t.Error(name, id, err)
				}
				mu.Lock()
				defer mu.Unlock()
				want[name] = id
			})
		}
		open()
		group.Wait()
	}
	page, err := log.Read(t.Context(), &eventlog.Query{Channels: channel.Everything()}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Events {
		e := &page.Events[i]
		id, there := want[e.Name]
		if !there || id != 0 && id != e.ID {
			t.Errorf("%s has the id %d; its publisher got %d, or it is there twice", e.Name, e.ID, id)
		}
		delete(want, e.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
