package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"sluice/broker"
	"sluice/broker/sse"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
)

// connectionOf reads the opening of a subscriber, and returns the connection that its init names.
func connectionOf(t testing.TB, s *broker.Subscriber) eventlog.Connection {
	t.Helper()
	_, rest, _ := strings.Cut(string(s.AppendOpening(nil)), `"connection":"`)
	text, _, _ := strings.Cut(rest, `"`)
	c, ok := eventlog.ParseConnection(text)
	if !ok {
		t.Fatalf("init names the connection %q", text)
	}
	return c
}

func publishExcept(t testing.TB, b *broker.Broker, c eventlog.Connection, names ...string) uint64 {
	t.Helper()
	events := make([]eventlog.Event, len(names))
	for i, name := range names {
		events[i] = eventlog.Event{Name: name, Data: []byte(`{}`)}
		if c != (eventlog.Connection{}) {
			events[i].LeaveOut(c)
		}
	}
	first, err := b.Log().Append(context.Background(), &eventlog.Request{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// namesOf returns the names of a stream's frames.
func namesOf(text string) (names []string) {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// TestLeftOut: an event that leaves out a connection goes to all others of the same view, whether they read the list, the
// ring or the log, in whatever order, and to who comes later. The position of the one that is left out moves over it.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(" d", 200) // the lists drop what was before them
	for _, tt := range []struct {
		name   string
		ring   int
		before string
	}{{"list", 0, ""}, {"ring", 0, many}, {"log", 1, ""}} {
		for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {2, 1, 0}} {
			b := open(t, broker.Options{RingBytes: tt.ring}, eventlog.Retention{})
			start := fmt.Sprint(publish(t, b, "first", "", 1))
			var subs []*broker.Subscriber
			var ids []eventlog.Connection
			for range order {
				s := subscribe(t, b, "*", start)
				subs, ids = append(subs, s), append(ids, connectionOf(t, s))
			}
			publishExcept(t, b, ids[0], "a", "a2")
			publishExcept(t, b, ids[1], "b")
			publishExcept(t, b, eventlog.NewConnection(), "c")
			publishExcept(t, b, eventlog.Connection{}, strings.Fields(tt.before)...)
			last := publishExcept(t, b, ids[0], "e")
			k := &broker.Block{} // of one writer for all of them
			for _, i := range order {
				var out []byte
				for more := true; more; {
					out, more = next(t, subs[i], k, out, 64<<10)
				}
				want := []string{"b c" + tt.before, "a a2 c" + tt.before + " e", "a a2 b c" + tt.before + " e"}[i]
				if got := strings.Join(namesOf(string(out)), " "); got != want {
					t.Errorf("%s, %v: %d got %.100s, want %.100s", tt.name, order, i, got, want)
				}
				if subs[i].Position() != last {
					t.Errorf("%s, %v: %d is at %d, not at %d", tt.name, order, i, subs[i].Position(), last)
				}
			}
			again := subscribe(t, b, "*", start) // who comes back is another connection, which gets what it missed
			if got := strings.Join(namesOf(readAll(t, again)), " "); got != "a a2 b c"+tt.before+" e" {
				t.Errorf("%s, %v: who came back got %.100s", tt.name, order, got)
			}
		}
	}
}

// TestNamedConnections: only a stream whose first frame names its connection can be left out.
func TestNamedConnections(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{}, eventlog.Retention{})
	seen := map[eventlog.Connection]bool{}
	for range 3 {
		seen[connectionOf(t, subscribe(t, b, "*", ""))] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d connections have 3 streams", len(seen))
	}
	lines, err := b.Subscribe(broker.Filter{Channels: channeltest.Set("*"), Frames: sse.FramesLines}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	publishExcept(t, b, eventlog.Connection{}, "a")
	if got := readAll(t, lines); !strings.Contains(got, `"event":"a"`) || strings.Contains(got, "connection") {
		t.Errorf("lines: %s", got)
	}
}
