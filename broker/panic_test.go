package broker_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"sluice/broker"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
)

// fragile panics when it chooses or encodes an event whose data is the text.
type fragile struct{ choosing, encoding string }

func (f fragile) Wants(e *eventlog.Event) bool {
	if string(e.Data) == f.choosing {
		panic("in a chooser")
	}
	return true
}

func (f fragile) Append(dst []byte, e *eventlog.Event) []byte {
	if string(e.Data) == f.encoding {
		panic("in an encoder")
	}
	return append(append(dst, e.Data...), '\n')
}

func (fragile) AppendGap(dst []byte, _ uint64, _ string) []byte { return dst }

// TestPanicEndsItsView: an encoder or a chooser that panics on an event ends the subscribers of its view. All others get
// the event, and the events beside it.
func TestPanicEndsItsView(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fragile{"chooser": {choosing: "2"}, "encoder": {encoding: "2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			b := open(t, broker.Options{Logger: slog.New(slog.NewTextHandler(&text, nil))}, eventlog.Retention{})
			group := b.NewGroup()
			join := func(e broker.Encoder, id string) *broker.Subscriber {
				s, err := b.Subscribe(broker.Filter{Channels: channeltest.Set("tick"), Encoder: e, LastEventID: id}, group)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				return s
			}
			send := func(data ...string) {
				r := &eventlog.Request{}
				for _, d := range data {
					r.Events = append(r.Events, eventlog.Event{Name: "tick", Data: []byte(d)})
				}
				if _, err := b.Log().Append(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			calm, first, second := join(fragile{}, ""), join(f, ""), join(f, "")
			send("1", "2", "3")
			if k, _ := calm.Peek(&broker.Block{}, 1<<20); string(k.Bytes) != "1\n2\n3\n" {
				t.Errorf("another view got %q", k.Bytes)
			}
			taken := group.Take(nil)
			for _, s := range []*broker.Subscriber{first, second} {
				if s.Ending() != broker.EndFailed || !slices.Contains(taken, s) {
					t.Errorf("a subscriber of the view ends with %q, and its group has %d subscribers", s.Ending(), len(taken))
				}
				if _, progress := s.Peek(&broker.Block{}, 1<<20); progress != broker.Behind {
					t.Errorf("a subscriber of the view may pass over the event: %v", progress)
				}
			}
			if calm.Ending() != "" {
				t.Errorf("a subscriber of another view ends with %q", calm.Ending())
			}
			if line := text.String(); strings.Count(line, "level=ERROR") != 1 || !strings.Contains(line, "panic_test.go") {
				t.Errorf("the log has %q", line)
			}
			// The same filter gets a new view, which the end of the old one leaves alone.
			later := join(f, "")
			first.Close()
			second.Close()
			send("4")
			if k, _ := later.Peek(&broker.Block{}, 1<<20); string(k.Bytes) != "4\n" {
				t.Errorf("a later subscriber got %q", k.Bytes)
			}
			if b.Count() != 2 || b.Views() != 2 {
				t.Errorf("%d subscribers, %d views", b.Count(), b.Views())
			}
		})
	}
}
