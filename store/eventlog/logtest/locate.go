package logtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"sluice/store/eventlog"
)

func locate(t TB, l *eventlog.Log, id string) eventlog.Start {
	t.Helper()
	s, err := l.Locate(context.Background(), "", id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testLocate(t *testing.T, o Opener) {
	clock := NewClock()
	log, _ := open(t, o, Config{Source: clock.Source()})
	start := log.Settled()
	clock.Add(time.Second)
	id := put(t, log, event("a", "", ""))
	check := func(what string, after uint64, want eventlog.Start) {
		t.Helper()
		if got := locate(t, log, fmt.Sprint(after)); got != want {
			t.Errorf("%s (%d): got %+v, want %+v", what, after, got, want)
		}
	}
	check("below the first run", start-1, eventlog.Start{After: id, Gap: "unknown", Oldest: id})
	check("the first run's start", start, eventlog.Start{After: start})
	check("a hole", start+1, eventlog.Start{After: start + 1})
	check("newest", id, eventlog.Start{After: id})
	check("future", id+1, eventlog.Start{After: id, Gap: "unknown", Oldest: id})
	for _, text := range []string{"x", "", "-1", "1e3", "12345678901234567", "٣"} {
		if got := locate(t, log, text); got.Gap != "unknown" || got.After != id {
			t.Errorf("%q: %+v", text, got)
		}
	}
	closeLog(t, log)
	if !o.Durable() {
		return
	}
	clock.Add(time.Second)
	log, _ = open(t, o, Config{Source: clock.Source()})
	defer closeLog(t, log)
	run := log.Settled()
	check("recovered", id, eventlog.Start{After: id})
	check("just lost", id+1, eventlog.Start{After: run, Gap: "lost", Oldest: id})
	check("last lost", run-1, eventlog.Start{After: run, Gap: "lost", Oldest: id})
	check("the run's start", run, eventlog.Start{After: run})
	check("future again", run+1, eventlog.Start{After: run, Gap: "unknown", Oldest: id})
}
