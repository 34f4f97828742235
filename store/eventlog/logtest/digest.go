package logtest

import (
	"context"
	"fmt"
	"testing"

	"sluice/store/eventlog"
)

// testDigest: whatever differs in the state gives another digest, and what is no part of the state does not.
func testDigest(t *testing.T, o Opener) {
	const at = 1_000_000_000
	type state struct {
		applied eventlog.Applied
		run     eventlog.Run
		event   eventlog.Event
		entry   eventlog.Event
		row     eventlog.Row
		answer  eventlog.Answer
		ahead   int64
		cut     uint64
	}
	base := state{
		applied: eventlog.Applied{Place: 7, At: at, Last: at},
		run:     eventlog.Run{Recovered: 1, Start: 2},
		event:   eventlog.Event{ID: at - 2, Space: "$db/a", Name: "n", Collection: "c", Stream: "s", Key: "k", Data: []byte("1"), Meta: []byte("m")},
		entry:   eventlog.Event{ID: at - 1, Space: "$room/a", Name: "n", Key: "k", Op: eventlog.Append, Seq: 3, Data: []byte("1"), Meta: []byte("m")},
		row:     eventlog.Row{Key: "r", Value: []byte("1")},
		answer:  eventlog.Answer{First: at - 1, Count: 1, Key: [16]byte{1}, Owner: [8]byte{1}, Body: [32]byte{1}},
		cut:     1,
	}
	digest := func(t *testing.T, change func(*state)) [32]byte {
		t.Helper()
		s := base
		change(&s)
		engine := o.Fresh().Open(t, Config{})
		defer engine.Close()
		event := eventlog.Event{ID: 1, Space: s.event.Space, Name: "cut", Data: []byte("1")}
		for _, g := range []*eventlog.Group{
			{Events: []eventlog.Event{event, s.event, s.entry}, Rows: []eventlog.Row{s.row}, Answers: []eventlog.Answer{s.answer}, Run: &s.run, Applied: s.applied},
			{Edit: &eventlog.Edit{Trim: []eventlog.Trim{{Space: s.event.Space, ID: s.cut}}}, Applied: s.applied},
		} {
			if err := engine.Commit(g); err != nil {
				t.Fatal(err)
			}
		}
		if s.ahead != 0 {
			if err := engine.Clock().SetMarks(append(make([]byte, 15), byte(s.ahead))); err != nil {
				t.Fatal(err)
			}
		}
		total := int64(0)
		sum, err := eventlog.Digest(context.Background(), engine, func(done, of int64) {
			if done != of {
				t.Errorf("the last progress is %d of %d", done, of)
			}
			total = of
		})
		if err != nil || total < 5 {
			t.Fatalf("of %d items: %v", total, err)
		}
		return sum
	}
	was := map[[32]byte]string{}
	changes := map[string]func(*state){
		"nothing": func(*state) {},
		"place":   func(s *state) { s.applied.Place++ }, "time": func(s *state) { s.applied.At++ }, "last": func(s *state) { s.applied.Last++ },
		"run's end": func(s *state) { s.run.Recovered++ }, "run": func(s *state) { s.run.Start++ },
		"id": func(s *state) { s.event.ID-- }, "space": func(s *state) { s.event.Space = "$db/b" }, "name": func(s *state) { s.event.Name = "x" },
		"collection": func(s *state) { s.event.Collection = "x" }, "stream": func(s *state) { s.event.Stream = "x" }, "key": func(s *state) { s.event.Key = "x" },
		"data": func(s *state) { s.event.Data = []byte("2") }, "meta": func(s *state) { s.event.Meta = []byte("x") },
		"texts": func(s *state) { s.event.Name, s.event.Collection = "nc", "" },
		"room":  func(s *state) { s.entry.Space = "$room/b" }, "entry's id": func(s *state) { s.entry.ID++ }, "entry's name": func(s *state) { s.entry.Name = "x" },
		"entry's key": func(s *state) { s.entry.Key = "x" }, "number": func(s *state) { s.entry.Seq++ }, "entry's data": func(s *state) { s.entry.Data = []byte("2") },
		"entry's meta": func(s *state) { s.entry.Meta = []byte("x") },
		"row":          func(s *state) { s.row.Key = "x" }, "row's value": func(s *state) { s.row.Value = []byte("2") },
		"floor": func(s *state) { s.cut++ }, "clock": func(s *state) { s.ahead = 1 },
	}
	if o.Durable() { // others do not store answers
		changes["answer"] = func(s *state) { s.answer.First-- }
		changes["answer's count"] = func(s *state) { s.answer.Count++ }
		changes["answer's key"] = func(s *state) { s.answer.Key[0]++ }
		changes["answer's owner"] = func(s *state) { s.answer.Owner[0]++ }
		changes["answer's body"] = func(s *state) { s.answer.Body[0]++ }
	}
	for name, change := range changes {
		sum := digest(t, change)
		if other := was[sum]; other != "" {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		was[sum] = name
	}
	expired := func(n uint64) func(*state) {
		return func(s *state) { s.answer.First = at - 120_000_000 - n }
	}
	if digest(t, expired(0)) != digest(t, expired(1)) {
		t.Error("answers that are expired differ")
	}
	if o.Durable() && digest(t, expired(0)) == digest(t, func(s *state) { s.answer.First = at - 120_000_000 + 1 }) {
		t.Error("the last answer that is not expired is left out")
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	engine := o.Fresh().Open(t, Config{})
	defer engine.Close()
	if err := engine.Commit(&eventlog.Group{Rows: []eventlog.Row{base.row}, Applied: base.applied}); err != nil {
		t.Fatal(err)
	}
	if sum, err := eventlog.Digest(cancelled, engine, nil); err == nil {
		t.Error("a cancelled one returns", fmt.Sprintf("%x", sum))
	}
}
