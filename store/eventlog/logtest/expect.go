package logtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"sluice/channel"
	"sluice/store/eventlog"
)

func testExpect(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	try := func(expect []eventlog.Expectation, events ...eventlog.Event) (uint64, uint64) {
		t.Helper()
		id, err := log.Append(context.Background(), &eventlog.Request{Events: events, Expect: expect})
		var failed *eventlog.ExpectError
		if errors.As(err, &failed) {
			return 0, failed.Last
		}
		if err != nil {
			t.Fatal(err)
		}
		return id, 0
	}
	none := []eventlog.Expectation{{Last: 0}}
	id, _ := try(none, event("a", "", "s"))
	if id == 0 {
		t.Fatal("a new stream was refused")
	}
	if _, last := try(none, event("a", "", "s")); last != id {
		t.Errorf("the error's last id is %d, not %d", last, id)
	}
	if other, _ := try(none, event("a", "", "t")); other == 0 {
		t.Error("another stream was refused")
	}
	// Each condition of a batch sees the events before it; the second here does not hold.
	before := log.Settled()
	if _, last := try([]eventlog.Expectation{{Index: 0, Last: id}, {Index: 1, Last: id}}, event("a", "", "s"), event("a", "", "s")); last == 0 {
		t.Error("a batch whose second condition fails was stored")
	}
	if log.Settled() != before {
		t.Error("something of a refused batch was stored")
	}
	if ok, _ := try([]eventlog.Expectation{{Index: 1, Last: 0}}, event("a", "", "u"), event("a", "", "v")); ok == 0 {
		t.Error("a condition on the second event was applied to the first")
	}
	closeLog(t, log)
	if o.Durable() {
		log, _ = open(t, o, Config{})
		if again, _ := try([]eventlog.Expectation{{Last: id}}, event("a", "", "s")); again == 0 {
			t.Error("the head was lost on reopening")
		}
		closeLog(t, log)
	}
}

// testExpectRace: many writers append to one stream, each on the condition of the last id that it has seen. Exactly one
// wins each turn.
func testExpectRace(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	const writers, turns = 8, 30
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			last := uint64(0)
			for won := 0; won < turns; {
				id, err := log.Append(context.Background(), &eventlog.Request{
					Events: []eventlog.Event{event("a", fmt.Sprint(last), "s")}, Expect: []eventlog.Expectation{{Last: last}}})
				var failed *eventlog.ExpectError
				switch {
				case errors.As(err, &failed):
					last = failed.Last
				case err != nil:
					t.Error(err)
					return
				default:
					last = id
					won++
				}
			}
		})
	}
	group.Wait()
	last := uint64(0)
	for _, e := range all(t, log, eventlog.Query{Channels: channel.Everything(), Stream: "s"}, 0, 100) {
		if e.Collection != fmt.Sprint(last) {
			t.Fatalf("event %d was accepted on %s, the last was %d", e.ID, e.Collection, last)
		}
		last = e.ID
	}
}
