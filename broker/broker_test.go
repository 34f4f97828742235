package broker_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sluice/broker"
	"sluice/channel"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testTime = time.Date(2026, 11, 20, 13, 22, 1, 130e6, time.UTC)

func open(t testing.TB, o broker.Options, retain eventlog.Retention) *broker.Broker {
	t.Helper()
	log, err := eventlog.Open(memory.Open(memory.Options{Retain: func(string) eventlog.Retention { return retain }}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return broker.New(log, o)
}

func publish(t testing.TB, b *broker.Broker, name, collection string, n int) uint64 {
	t.Helper()
	events := make([]eventlog.Event, n)
	for i := range events {
		events[i] = eventlog.Event{Name: name, Collection: collection, Data: []byte(`{}`)}
	}
	first, err := b.Log().Append(context.Background(), &eventlog.Request{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func subscribe(t testing.TB, b *broker.Broker, pattern, id string) *broker.Subscriber {
	t.Helper()
	set := channeltest.Set(strings.Split(pattern, ",")...)
	s, err := b.Subscribe(broker.Filter{Channels: set, LastEventID: id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// next returns what a writer that may wait delivers: whole frames, until there are no more.
func next(t interface{ Fatal(...any) }, s *broker.Subscriber, k *broker.Block, dst []byte, limit int) (out []byte, more bool) {
	dst = s.AppendOpening(dst)
	k, progress, err := s.Next(context.Background(), k, limit)
	if err != nil {
		t.Fatal(err)
	}
	if progress == broker.Idle {
		return dst, false
	}
	dst = append(dst, k.Bytes...)
	s.Advance(k, len(k.Bytes))
	return dst, true
}

func readAll(t testing.TB, s *broker.Subscriber) string {
	t.Helper()
	var out []byte
	for more := true; more; {
		out, more = next(t, s, &broker.Block{}, out, 64<<10)
	}
	return string(out)
}

// connection is how init names it.
var connection = regexp.MustCompile(`("connection":)"[A-Za-z0-9_-]{22}"`)

func TestFirstFrames(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{}, eventlog.Retention{})
	first := publish(t, b, "goal", "", 3)
	padding := ":" + strings.Repeat(" ", 2048) + "\n"
	now := b.Log().Settled()
	tests := []struct{ name, id, want string }{
		{"no id", "", fmt.Sprintf("retry: 2000\nid: %d\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"C\"}\n\n", now)},
		{"newest", fmt.Sprint(now), fmt.Sprintf("retry: 2000\nid: %d\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"C\"}\n\n", now)},
		{"one back", fmt.Sprint(now - 1), fmt.Sprintf("retry: 2000\nid: %d\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"C\"}\n\nid: %d\nevent: goal\ndata: {\"event\":\"goal\",\"data\":{}}\n\n", now-1, now)},
		{"from the future", fmt.Sprint(now + 1), fmt.Sprintf("retry: 2000\nid: %d\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"C\"}\n\nevent: gap\nid: %d\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"unknown\",\"after\":\"%d\",\"oldest\":\"%d\"}}\n\n", now+1, now, now+1, first)},
		{"no number", "a\nb", fmt.Sprintf("retry: 2000\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"C\"}\n\nevent: gap\nid: %d\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"unknown\",\"oldest\":\"%d\"}}\n\n", now, first)},
		{"17 digits", "12345678901234567", fmt.Sprintf("retry: 2000\ndata: {\"channel\":\"init\",\"data\":{},\"connection\":\"C\"}\n\nevent: gap\nid: %d\ndata: {\"event\":\"gap\",\"data\":{\"reason\":\"unknown\",\"oldest\":\"%d\"}}\n\n", now, first)},
	}
	for _, tt := range tests {
		s := subscribe(t, b, "*", tt.id)
		if got := connection.ReplaceAllString(readAll(t, s), `$1"C"`); got != padding+tt.want {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, strings.TrimPrefix(got, padding), tt.want)
		}
	}
}

// A ping has each position only once, and only a position up to which everything was delivered.
func TestPingPositions(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{}, eventlog.Retention{})
	s := subscribe(t, b, "goal", "")
	readAll(t, s)
	ping := func() string { return string(s.AppendPing(nil, testTime)) }
	bare := "event: ping\ndata: 2026-11-20T13:22:01.130Z\n\n"
	if got := ping(); got != bare {
		t.Errorf("nothing moved: %q", got)
	}
	other := publish(t, b, "other", "", 1)
	if got := ping(); got != bare {
		t.Errorf("before it was looked at: %q", got)
	}
	readAll(t, s)
	if got, want := ping(), fmt.Sprintf("event: ping\nid: %d\ndata: 2026-11-20T13:22:01.130Z\n\n", other); got != want {
		t.Errorf("another's event: got %q, want %q", got, want)
	}
	publish(t, b, "goal", "", 1)
	if got := ping(); got != bare {
		t.Errorf("an event of its own waits: %q", got)
	}
	readAll(t, s)
	if got := ping(); got != bare {
		t.Errorf("its event already had the position: %q", got)
	}
}

// A subscriber that falls behind the list, the ring and the retention gets a gap, and goes on.
func TestGapInMidStream(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{RingBytes: 1}, eventlog.Retention{Bytes: 2_000})
	s := subscribe(t, b, "goal", "")
	readAll(t, s)
	publish(t, b, "goal", "", 900)
	first := publish(t, b, "goal", "", 1)
	if err := b.Log().Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := readAll(t, s)
	if !strings.Contains(got, `"reason":"expired"`) || strings.Count(got, "event: gap") != 1 {
		t.Errorf("no gap: %.200q", got)
	}
	if !strings.Contains(got, fmt.Sprintf("id: %d\nevent: goal", first)) {
		t.Errorf("the newest event is missing: %.200q", got)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	b := open(t, broker.Options{}, eventlog.Retention{})
	s := subscribe(t, b, "*", "")
	b.Drain()
	<-s.Wake()
	if s.Ending() != broker.EndDraining {
		t.Errorf("ending is %q", s.Ending())
	}
	s.End(broker.EndRevoked)
	if s.Ending() != broker.EndDraining {
		t.Errorf("the first reason did not stay: %q", s.Ending())
	}
	if _, err := b.Subscribe(broker.Filter{Channels: channel.Everything()}, nil); err != broker.ErrDraining {
		t.Errorf("subscribe: %v", err)
	}
}
