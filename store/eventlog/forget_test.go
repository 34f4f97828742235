package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/memory"
)

// A space that the current group has changed stays in the cache until the group is stored, however many other spaces
// are read: otherwise its numbers would repeat, and what the group added to it would be overlooked.
func TestKnownUntilStored(t *testing.T) {
	t.Parallel()
	for name, others := range map[string][]int{"one request": {30_000}, "many requests": {5000, 5000, 5000, 5000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := &slowEngine{memory.Open(memory.Options{}), make(chan struct{}), make(chan struct{})}
			log, err := eventlog.Open(engine, eventlog.Options{QueueBytes: 64 << 20})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Error(err)
				}
			})
			push := func(space string) eventlog.Event {
				return eventlog.Event{Space: space, Name: "push", Op: eventlog.Append, Key: "k", Data: []byte("1")}
			}
			gone, leave := context.WithCancel(context.Background())
			leave()
			queue := func(r *eventlog.Request) *eventlog.Request { // its publisher does not wait for the answer
				if _, err := log.Append(gone, r); !errors.Is(err, eventlog.ErrUnknown) {
					t.Fatal(err)
				}
				return r
			}
			logtest.MakeKeyed(t, log, "$room/r")
			for i := range 30_000 {
				if err := log.Create(gone, fmt.Sprint("$room/", i+1)); err != nil && !errors.Is(err, eventlog.ErrUnknown) {
					t.Fatal(err) // else it is stored before the first push
				}
			}
			first := &eventlog.Request{Events: []eventlog.Event{push("$room/r")}}
			if _, err := log.Append(context.Background(), first); err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() {
				_, err := log.Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{{Name: "slow", Data: []byte("0")}}})
				done <- err
			}()
			<-engine.begun
			second := queue(&eventlog.Request{Events: []eventlog.Event{push("$room/r")}})
			made := 0
			for _, n := range others {
				r := &eventlog.Request{}
				for range n {
					made++
					r.Events = append(r.Events, push(fmt.Sprint("$room/", made)))
				}
				queue(r)
			}
			third := queue(&eventlog.Request{Events: []eventlog.Event{push("$room/r")}})
			engine.go_ <- struct{}{}
			last := &eventlog.Request{Events: []eventlog.Event{push("$room/r")}}
			if _, err := log.Append(context.Background(), last); errors.Join(err, <-done) != nil {
				t.Fatal(err)
			}
			for i, r := range []*eventlog.Request{first, second, third, last} {
				if seq, size := r.Events[0].Seq, r.Sizes[0]; seq != uint64(i+1) || size != i+1 {
					t.Errorf("push %d has number %d, and its key %d entries", i+1, seq, size)
				}
			}
			var seqs []uint64
			if _, err := log.Keyed(context.Background(), "$room/r", nil, func(e eventlog.Event) error {
				seqs = append(seqs, e.Seq)
				return nil
			}); err != nil || len(seqs) != 4 {
				t.Errorf("it retains %v: %v", seqs, err)
			}
		})
	}
}
