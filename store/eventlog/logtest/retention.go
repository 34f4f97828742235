package logtest

import (
	"fmt"
	"testing"
	"time"

	"sluice/store/eventlog"
)

// testAge checks the floor one microsecond before, at and after an expiry, dropped on the disk or not.
func testAge(t *testing.T, o Opener) {
	clock := NewClock()
	retain := func(string) eventlog.Retention { return eventlog.Retention{Age: time.Hour.Microseconds()} }
	log, engine := open(t, o, Config{Retain: retain, Source: clock.Source()})
	clock.Add(time.Second) // the run's start has taken the present id
	var ids []uint64
	for range 3 {
		clock.Add(20 * time.Minute)
		ids = append(ids, put(t, log, event("a", "", "s")))
	}
	check := func(what string, want []uint64, removed uint64) {
		t.Helper()
		got := all(t, log, everything(""), 0, 10)
		if len(got) != len(want) {
			t.Fatalf("%s: %d events, want %d", what, len(got), len(want))
		}
		state, err := log.State("")
		if err != nil {
			t.Fatal(err)
		}
		if state.Removed != removed || len(want) > 0 && state.Oldest != want[0] || len(want) == 0 && state.Oldest != 0 {
			t.Errorf("%s: %+v", what, state)
		}
	}
	// The first event expires after an hour: its id is its time, and the floor is the present less an hour. One
	// microsecond earlier it is not expired.
	clock.Add(20*time.Minute - time.Microsecond)
	check("a microsecond before", ids, 0)
	clock.Add(time.Microsecond)
	check("at the hour", ids[1:], ids[0])
	for _, id := range []uint64{ids[0] - 1, ids[0], ids[0] + 1} {
		got := locate(t, log, fmt.Sprint(id))
		want := eventlog.Start{After: id}
		if id < ids[0] {
			want = eventlog.Start{After: ids[0], Gap: "expired", Oldest: ids[1]}
		}
		if got != want {
			t.Errorf("locate %d: %+v, want %+v", id, got, want)
		}
	}
	drop(t, log)
	check("dropped", ids[1:], ids[0])
	if o.Durable() {
		closeLog(t, log)
		log, engine = open(t, o, Config{Retain: retain, Source: clock.Source()})
		check("reopened", ids[1:], ids[0])
	}
	clock.Add(2 * time.Hour)
	check("all expired", nil, ids[2])
	last := put(t, log, event("a", "", ""))
	drop(t, log)
	check("begun anew", []uint64{last}, ids[2])
	if head, err := engine.Head("", "s"); err != nil || head != 0 {
		t.Errorf("the head of an expired stream is %d, %v", head, err)
	}
	closeLog(t, log)
}

// testBytes: events are dropped in order, the floor moves with them, and about as many bytes as allowed stay.
func testBytes(t *testing.T, o Opener) {
	const bytes = 32_000
	retain := func(string) eventlog.Retention { return eventlog.Retention{Bytes: bytes} }
	log, _ := open(t, o, Config{Retain: retain})
	total := 0
	for range 40 {
		events := make([]eventlog.Event, 100)
		for i := range events {
			events[i] = event("a", fmt.Sprint(i%7), "s")
			total += len(events[i].Data)
		}
		put(t, log, events...)
	}
	drop(t, log)
	check := func() eventlog.State {
		t.Helper()
		state, err := log.State("")
		if err != nil {
			t.Fatal(err)
		}
		got := all(t, log, everything(""), 0, 1000)
		if len(got) == 0 || got[0].ID != state.Oldest || state.Removed == 0 || state.Removed >= state.Oldest {
			t.Fatalf("%d events, %+v", len(got), state)
		}
		if state.Bytes > bytes || state.Bytes < bytes*3/4 {
			t.Errorf("%d bytes remain of %d allowed", state.Bytes, bytes)
		}
		if state.Count != int64(len(got)) {
			t.Errorf("%d are counted, %d there", state.Count, len(got))
		}
		return state
	}
	before := check()
	if got := locate(t, log, fmt.Sprint(before.Removed-1)); got.Gap != "expired" || got.After != before.Removed {
		t.Errorf("locate below the floor: %+v", got)
	}
	if got := locate(t, log, fmt.Sprint(before.Removed)); got.Gap != "" {
		t.Errorf("locate at the floor: %+v", got)
	}
	closeLog(t, log)
	if o.Durable() {
		log, _ = open(t, o, Config{Retain: retain})
		if after := check(); after != before {
			t.Errorf("reopened: %+v, was %+v", after, before)
		}
		closeLog(t, log)
	}
}
