package eventlog_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"sluice/store/eventlog"
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
