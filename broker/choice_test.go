package broker_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/broker"
	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// plain is an encoder that counts what it makes.
type plain struct{ made *atomic.Int64 }

func (p plain) Append(dst []byte, e *eventlog.Event) []byte {
	p.made.Add(1)
	return append(append(dst, e.Name...), '\n')
}

func (plain) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// ending chooses events by the end of their names. No two are equal, as with compiled filters.
type ending struct{ end string }

func (o *ending) Wants(e *eventlog.Event) bool { return strings.HasSuffix(e.Name, o.end) }

// Filters with the same choice share a view, and all filters share the frames. Each gets the events of its choice: live, from
// the ring and from the log.
func TestChoices(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{}, eventlog.Retention{})
	made := &atomic.Int64{}
	set := channel.NewSet(channel.Pattern{Space: "$db/a"})
	subscribe := func(end string, start *eventlog.Start) *broker.Subscriber {
		s, err := b.Subscribe(broker.Filter{Channels: set, Encoder: plain{made}, Chooser: &ending{end}, Choice: end, Start: start}, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	read := func(s *broker.Subscriber) string {
		var got strings.Builder
		for k := new(broker.Block); ; {
			next, progress, err := s.Next(context.Background(), k, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if progress == broker.Idle {
				return strings.ReplaceAll(got.String(), "\n", " ")
			}
			got.Write(next.Bytes)
			s.Advance(next, len(next.Bytes))
		}
	}
	early := eventlog.Start{After: b.Log().Settled()}
	a1, a2, z := subscribe("a", nil), subscribe("a", nil), subscribe("z", nil)
	if n := b.Views(); n != 2 {
		t.Errorf("%d views", n)
	}
	for _, name := range []string{"1a", "2z", "3b", "4a"} {
		if _, err := b.Log().Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{{Space: "$db/a", Name: name, Data: []byte("1")}}}); err != nil {
			t.Fatal(err)
		}
	}
	for s, want := range map[*broker.Subscriber]string{a1: "1a 4a ", a2: "1a 4a ", z: "2z "} {
		if got := read(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if n := made.Load(); n != 3 {
		t.Errorf("%d frames were made of 3 events", n)
	}
	for end, want := range map[string]string{"a": "1a 4a ", "b": "3b ", "": "1a 2z 3b 4a ", "none": ""} {
		if got := read(subscribe(end, &early)); got != want {
			t.Errorf("late %q: got %q, want %q", end, got, want)
		}
	}
}

// counting counts the events that were asked for.
type counting struct {
	eventlog.Engine
	asked, reads int
}

func (c *counting) Read(ctx context.Context, q *eventlog.Query, after, upto uint64, limit int) (eventlog.Page, error) {
	c.asked += limit
	c.reads++
	return c.Engine.Read(ctx, q, after, upto, limit)
}

// A step over many spaces has about as many events as a step over one space, and the steps together skip none.
func TestStepOfManySpaces(t *testing.T) {
	t.Parallel()
	engine := &counting{Engine: memory.Open(memory.Options{})}
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b := broker.New(log, broker.Options{})
	const spaces, each = 50, 40
	var patterns []channel.Pattern
	for i := range spaces {
		patterns = append(patterns, channel.Pattern{Space: fmt.Sprint("$db/", i)})
	}
	var want strings.Builder
	for i := range spaces * each {
		e := eventlog.Event{Space: patterns[i%spaces].Space, Name: fmt.Sprint("n", i), Data: []byte("1")}
		fmt.Fprintln(&want, e.Name)
		if _, err := b.Log().Append(context.Background(), &eventlog.Request{Events: []eventlog.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Subscribe(broker.Filter{Channels: channel.NewSet(patterns...), Encoder: plain{&atomic.Int64{}}, Start: &eventlog.Start{}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got strings.Builder
	steps := 0
	for k := new(broker.Block); ; {
		before := engine.asked
		next, progress, err := s.Next(context.Background(), k, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if asked := engine.asked - before; asked > 512 {
			t.Fatalf("a step asked for %d events", asked)
		}
		if progress == broker.Idle {
			break
		}
		steps++
		got.Write(next.Bytes)
		s.Advance(next, len(next.Bytes))
	}
	if got.String() != want.String() {
		t.Errorf("in %d steps it got %d bytes, want %d", steps, got.Len(), want.Len())
	}
}
