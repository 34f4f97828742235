package logtest

import (
	"fmt"
	"testing"
	"time"

	"sluice/store/eventlog"
)

// testNames lists the streams of a space with retention, whose engine may have cut it into parts: page by page, by prefix, and
// after some of them have expired.
func testNames(t *testing.T, o Opener) {
	clock := NewClock()
	retain := func(string) eventlog.Retention { return eventlog.Retention{Age: time.Hour.Microseconds()} }
	log, _ := open(t, o, Config{Retain: retain, Source: clock.Source()})
	var events []eventlog.Event
	add := func(stream string) {
		clock.Add(25 * time.Second) // an engine that cuts a space into parts has several in one
		e := event("a", "", stream)
		e.ID = put(t, log, e)
		events = append(events, e)
	}
	for i := range 30 {
		add(fmt.Sprintf("s-%02d", i*7%5))
		add([]string{"other", "", "s"}[i%3])
	}
	check := func(prefix string, limit int) {
		t.Helper()
		want := map[string]eventlog.StreamState{}
		for _, e := range events {
			if e.Stream == "" || len(e.Stream) < len(prefix) || e.Stream[:len(prefix)] != prefix || log.Clock().Age(e.ID) >= time.Hour {
				continue
			}
			s := want[e.Stream]
			if s.Stream, s.Last = e.Stream, e.ID; s.Count == 0 {
				s.First = e.ID
			}
			s.Count++
			want[e.Stream] = s
		}
		got, last := 0, ""
		for after := ""; ; {
			some, next, err := log.Names(t.Context(), "", prefix, after, limit)
			if err != nil || len(some) > limit {
				t.Fatal(len(some), err)
			}
			for _, s := range some {
				if s != want[s.Stream] || s.Stream <= last {
					t.Errorf("prefix %q: %+v after %q, want %+v", prefix, s, last, want[s.Stream])
				}
				got, last = got+1, s.Stream
			}
			if after = next; after == "" {
				break
			}
		}
		if got != len(want) {
			t.Errorf("prefix %q, pages of %d: %d streams, want %d", prefix, limit, got, len(want))
		}
	}
	for _, limit := range []int{1, 2, 100} {
		for _, prefix := range []string{"", "s", "s-", "s-03", "t"} {
			check(prefix, limit)
		}
	}
	clock.Add(35 * time.Minute)
	for range 25 {
		clock.Add(59 * time.Second)
		check("", 100)
	}
	check("", 1)
	clock.Add(time.Hour)
	check("", 100)
	// A long stream is not counted to its end.
	for range eventlog.MostCounted + 1 {
		put(t, log, event("a", "", "long"))
	}
	some, _, err := log.Names(t.Context(), "", "long", "", 10)
	if err != nil || len(some) != 1 || some[0].Count != eventlog.MostCounted {
		t.Errorf("%+v %v", some, err)
	}
	closeLog(t, log)
}
