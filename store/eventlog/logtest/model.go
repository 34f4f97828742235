package logtest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/channel/channeltest"
	"sluice/store/eventlog"
)

var (
	names       = []string{"post", "put", "goal", "chat-1", "chat-2", "c"}
	collections = []string{"", "a", "ab", "b", "c"}
	streams     = []string{"", "", "s", "t"}
	patterns    = []string{"*", "*:*", "put:a", "POST:*", "chat-*", "chat-*:a*", "*:a", "*:a*", "goal", "goal:b", "c*:*", "c:ab"}
)

// testModel: after any mix of appends, time, drops and reopenings, reading through any filter in steps of any size
// gives what a simple filter over the list gives.
func testModel(t *testing.T, o Opener) {
	rapid.Check(t, func(t *rapid.T) {
		m := &logModel{o: o.Fresh(), clock: NewClock()}
		retain := eventlog.Retention{
			Age:   rapid.SampledFrom([]int64{0, time.Minute.Microseconds()}).Draw(t, "age"),
			Bytes: rapid.SampledFrom([]int64{0, 4_000}).Draw(t, "bytes"),
		}
		m.config = Config{Source: m.clock.Source(), Retain: func(string) eventlog.Retention { return retain }}
		m.log, m.engine = open(t, m.o, m.config)
		defer func() { closeLog(t, m.log) }()
		t.Repeat(map[string]func(*rapid.T){"append": m.append, "retract": m.retract, "clock": m.move, "drop": m.drop, "reopen": m.reopen, "read": m.read})
	})
}

type logModel struct {
	o      Opener
	clock  *Clock
	config Config
	log    *eventlog.Log
	engine eventlog.Engine
	all    []eventlog.Event
}

func (m *logModel) append(t *rapid.T) {
	events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) eventlog.Event {
		return event(rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom(collections).Draw(t, "collection"), rapid.SampledFrom(streams).Draw(t, "stream"))
	}), 1, 40).Draw(t, "events")
	put(t, m.log, events...)
	m.all = append(m.all, events...)
}

func (m *logModel) move(t *rapid.T) {
	m.clock.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second)
	m.clock.Step(time.Duration(rapid.IntRange(-50, 50).Draw(t, "stepped")) * time.Second)
}

func (m *logModel) drop(t *rapid.T) { drop(t, m.log) }

func (m *logModel) reopen(t *rapid.T) {
	if !m.o.Durable() {
		return // not durable
	}
	closeLog(t, m.log)
	m.log, m.engine = open(t, m.o, m.config)
}

func (m *logModel) read(t *rapid.T) {
	set := channeltest.Set(rapid.SliceOfNDistinct(rapid.SampledFrom(patterns), 1, 3, rapid.ID).Draw(t, "set")...)
	q := eventlog.Query{Channels: set, Stream: rapid.SampledFrom(streams).Draw(t, "of stream")}
	if rapid.Bool().Draw(t, "by name") {
		q.Names = []string{"goal", "put"}
	}
	after := uint64(0)
	if len(m.all) > 0 && rapid.Bool().Draw(t, "from the middle") {
		after = m.all[rapid.IntRange(0, len(m.all)-1).Draw(t, "place")].ID
	}
	state, err := m.log.State("")
	if err != nil {
		t.Fatal(err)
	}
	var want []uint64
	for i := range m.all {
		if e := &m.all[i]; e.ID > max(after, state.Removed) && q.Match(e) {
			want = append(want, e.ID)
		}
	}
	var got []uint64
	for _, e := range all(t, m.log, q, after, rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "limit")) {
		got = append(got, e.ID)
	}
	// The engine may drop events by itself between the two reads.
	now, err := m.log.State("")
	if err != nil {
		t.Fatal(err)
	}
	want = slices.DeleteFunc(want, func(id uint64) bool { return id <= now.Removed })
	got = slices.DeleteFunc(got, func(id uint64) bool { return id <= now.Removed })
	if !slices.Equal(got, want) {
		t.Fatalf("%s after %d of stream %q: got %d, want %d", set, after, q.Stream, got, want)
	}
}
