package logtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sluice/store/eventlog"
)

var bodyA, bodyB = [32]byte{1}, [32]byte{2}

// publish publishes as a handler does.
func publish(log *eventlog.Log, owner, key string, body [32]byte) (first uint64, replay bool, err error) {
	once, answer, err := log.Once(owner, key, body)
	if err != nil {
		return 0, false, err
	}
	if answer != nil {
		return answer.First, true, nil
	}
	return publishOnce(log, once)
}

// publishOnce publishes without a look at what is known.
func publishOnce(log *eventlog.Log, once *eventlog.Once) (first uint64, replay bool, err error) {
	first, err = log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{event("a", "", ""), event("b", "", "")}, Once: once})
	return first, once.Replayed, err
}

func testIdempotency(t *testing.T, o Opener) {
	clock := NewClock()
	log, _ := open(t, o, Config{Source: clock.Source()})
	expect := func(what, owner, key string, body [32]byte, want uint64, wantErr error) uint64 {
		t.Helper()
		id, replay, err := publish(log, owner, key, body)
		if !errors.Is(err, wantErr) || want != 0 && (id != want || !replay) || want == 0 && replay {
			t.Errorf("%s: %d, replay %v, %v", what, id, replay, err)
		}
		return id
	}
	clock.Add(time.Second) // the run's start has taken the present id
	first := expect("first", "me", "k", bodyA, 0, nil)
	expect("repeat", "me", "k", bodyA, first, nil)
	expect("another body", "me", "k", bodyB, 0, eventlog.ErrKeyConflict)
	expect("another owner", "you", "k", bodyA, 0, nil)
	expect("no run-together", "mek", "", bodyA, 0, nil)
	for body, want := range map[[32]byte]error{bodyA: nil, bodyB: eventlog.ErrKeyConflict} { // as if the look came before the first publish
		once, _, _ := log.Once("me", "k", body)
		if id, replay, err := publishOnce(log, once); !errors.Is(err, want) || err == nil && (id != first || !replay) {
			t.Errorf("found only when applied: %d, replay %v, %v", id, replay, err)
		}
	}
	once, _, _ := log.Once("me", "refused", bodyA)
	refused := &eventlog.Request{Events: []eventlog.Event{event("a", "", "s")}, Expect: []eventlog.Expectation{{Last: 1}}, Once: once}
	if _, err := log.Append(context.Background(), refused); err == nil {
		t.Error("it was stored")
	}
	expect("after a refusal", "me", "refused", bodyB, 0, nil)
	clock.Add(time.Minute)
	if o.Durable() {
		closeLog(t, log)
		log, _ = open(t, o, Config{Source: clock.Source()})
		expect("repeat after reopening", "me", "k", bodyA, first, nil)
		expect("another body after reopening", "me", "k", bodyB, 0, eventlog.ErrKeyConflict)
	}
	clock.Add(time.Minute - time.Second)
	expect("just within two minutes", "me", "k", bodyA, first, nil)
	clock.Add(time.Second)
	if id := expect("after two minutes", "me", "k", bodyB, 0, nil); id == first {
		t.Error("an old answer was given")
	}
	closeLog(t, log)
}

// testOneOfMany: of fifty requests at once with one key, one publishes and all get its answer.
func testOneOfMany(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	var group sync.WaitGroup
	var published atomic.Int32
	var ids sync.Map
	for range 50 {
		group.Go(func() {
			id, replay, err := publish(log, "me", "k", bodyA)
			if err != nil {
				t.Error(err)
			}
			if !replay {
				published.Add(1)
			}
			ids.Store(id, true)
		})
	}
	group.Wait()
	different := 0
	ids.Range(func(any, any) bool { different++; return true })
	if published.Load() != 1 || different != 1 {
		t.Errorf("%d published, %d different answers", published.Load(), different)
	}
	if got := all(t, log, everything(""), 0, 100); len(got) != 2 {
		t.Errorf("%d events are stored", len(got))
	}
}
