package broker_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/broker"
	"sluice/broker/sse/ssetest"
	"sluice/channel"
	"sluice/channel/channeltest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// published is an event in the model.
type published struct {
	id     uint64
	ch     channel.Channel
	except eventlog.Connection // which it left out
}

// reader is a subscriber as its client sees it: only bytes and the last id.
type reader struct {
	sub    *broker.Subscriber
	set    channel.Set
	parser ssetest.Parser
	last   string // Last-Event-ID of the next connection
	at     uint64 // all matching events at or before it were received, or a gap reported them as lost
	lost   uint64 // a gap reported that events of /realtime up to here may be lost

	connection eventlog.Connection // as its init named it; zero before that
}

type model struct {
	t       *rapid.T
	log     *eventlog.Log
	broker  *broker.Broker
	all     []published
	readers []*reader
	block   broker.Block // shared by all readers, as others with the same position may deliver it too
}

var (
	modelNames = []string{"post", "put", "delete", "goal", "chat-1", "chat-2"}
	modelColls = []string{"", "a", "b", "ab"}
	modelSets  = []string{"*", "*:*", "put:a", "chat-*", "*:a", "POST:*", "goal", "*:a*", "goal:b", "$db/x", "$db/x:goal"}
)

// TestModel: whatever the order of publishes, stalls, lost connections, resumes and retention, each subscriber gets exactly
// the matching events in order, or a gap with the position where it goes on.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.close()
		t.Repeat(map[string]func(*rapid.T){
			"publish":   m.publish,
			"flood":     m.flood,
			"subscribe": m.subscribe,
			"read":      m.read,
			"ping":      m.ping,
			"cut":       m.cut,
		})
		for _, r := range m.readers {
			m.drain(r)
		}
	})
}

func newModel(t *rapid.T) *model {
	retain := eventlog.Retention{Bytes: rapid.SampledFrom([]int64{0, 3_000, 20_000}).Draw(t, "retain")}
	engine := memory.Open(memory.Options{Retain: func(space string) eventlog.Retention {
		if space != "" {
			return eventlog.Retention{} // it keeps everything, whatever /realtime drops
		}
		return retain
	}})
	log, err := eventlog.Open(engine, eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ring := rapid.SampledFrom([]int{1, 2_000, 20_000, 1 << 20}).Draw(t, "ring")
	return &model{t: t, log: log, broker: broker.New(log, broker.Options{RingBytes: ring})}
}

func (m *model) close() {
	for _, r := range m.readers {
		r.sub.Close()
	}
	if n := m.broker.Count() + m.broker.Views(); n != 0 {
		m.t.Fatalf("%d subscribers and views are left", n)
	}
	if err := m.log.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) append(t *rapid.T, events []eventlog.Event) {
	first, err := m.broker.Log().Append(context.Background(), &eventlog.Request{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		m.all = append(m.all, published{id: first + uint64(i), ch: events[i].Channel(), except: events[i].Except()})
	}
}

func drawEvent(t *rapid.T) eventlog.Event {
	e := eventlog.Event{Name: rapid.SampledFrom(modelNames).Draw(t, "name"), Collection: rapid.SampledFrom(modelColls).Draw(t, "collection"), Data: []byte(`1`)}
	if _, method := channel.Method(e.Name); method && e.Collection == "" {
		e.Collection = "a"
	} else if !method && rapid.IntRange(0, 3).Draw(t, "space") == 0 {
		e.Space, e.Collection = "$db/x", ""
	}
	return e
}

func (m *model) publish(t *rapid.T) {
	events := rapid.SliceOfN(rapid.Custom(drawEvent), 1, 4).Draw(t, "events")
	for i := range events {
		if len(m.readers) > 0 && events[i].Space == "" && rapid.IntRange(0, 2).Draw(t, "except") == 0 {
			events[i].LeaveOut(m.pick(t).connection) // of who has no connection yet: nobody
		}
	}
	m.append(t, events)
}

// flood publishes so much that readers fall behind lists, rings and retention.
func (m *model) flood(t *rapid.T) {
	one := drawEvent(t)
	events := make([]eventlog.Event, rapid.IntRange(50, 700).Draw(t, "n"))
	for i := range events {
		events[i] = one
	}
	m.append(t, events)
}

func (m *model) connect(t *rapid.T, r *reader) {
	sub, err := m.broker.Subscribe(broker.Filter{Channels: r.set, LastEventID: r.last}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.sub, r.parser, r.connection = sub, ssetest.Parser{}, eventlog.Connection{}
}

func (m *model) subscribe(t *rapid.T) {
	if len(m.readers) > 8 {
		return // enough
	}
	set := channeltest.Set(rapid.SliceOfN(rapid.SampledFrom(modelSets), 1, 3).Draw(t, "set")...)
	r := &reader{set: set, at: m.newest()}
	m.connect(t, r)
	m.readers = append(m.readers, r)
}

func (m *model) newest() uint64 { return m.log.Settled() }

func (m *model) pick(t *rapid.T) *reader {
	if len(m.readers) == 0 {
		m.subscribe(t)
	}
	return rapid.SampledFrom(m.readers).Draw(t, "reader")
}

func (m *model) read(t *rapid.T) {
	r := m.pick(t)
	limit := rapid.SampledFrom([]int{1, 500, 64 << 10}).Draw(t, "limit")
	for range rapid.IntRange(1, 4).Draw(t, "steps") {
		if !m.step(t, r, limit) {
			return
		}
	}
}

func (m *model) step(t *rapid.T, r *reader, limit int) bool {
	out := r.sub.AppendOpening(nil)
	k, progress, err := r.sub.Next(context.Background(), &m.block, limit)
	if err != nil {
		t.Fatal(err)
	}
	if progress == broker.Idle {
		m.receive(t, r, out)
		return false
	}
	// The bytes that were written, and the rest of the last frame.
	n := len(k.Bytes)
	if n > 0 && rapid.Bool().Draw(t, "cut") {
		n = rapid.IntRange(1, n).Draw(t, "written")
	}
	out = append(out, k.Bytes[:n]...)
	out = append(out, r.sub.Advance(k, n)...)
	m.receive(t, r, out)
	return true
}

func (m *model) ping(t *rapid.T) {
	r := m.pick(t)
	m.receive(t, r, r.sub.AppendPing(nil, testTime))
}

func (m *model) cut(t *rapid.T) {
	r := m.pick(t)
	r.sub.Close()
	if r.last == "" {
		// It had not even read its init, so it has no id to ask for what it missed.
		r.at = m.newest()
	}
	m.connect(t, r)
}

func (m *model) drain(r *reader) {
	for m.step(m.t, r, 64<<10) {
	}
	if e, ok := m.next(r); ok {
		m.t.Fatalf("%s at %d: never got %d %s", r.set, r.at, e.id, e.ch)
	}
}

// wants reports whether the reader gets the event on its present connection.
func (r *reader) wants(e published) bool {
	return r.set.Match(e.ch) && (e.except == eventlog.Connection{} || e.except != r.connection)
}

// next is the first event that the reader may see and has not.
func (m *model) next(r *reader) (published, bool) {
	for _, e := range m.all {
		if e.id > r.at && r.wants(e) && (e.ch.Space != "" || e.id > r.lost) {
			return e, true
		}
	}
	return published{}, false
}

// event is called with each event that the reader gets. After a gap, an event that was reported as lost may still come,
// because it may still be in the ring.
func (m *model) event(t *rapid.T, r *reader, id uint64, name string) {
	for _, e := range m.all {
		switch {
		case e.id <= r.at || !r.wants(e):
		case e.id == id:
			r.at = id
			return
		case e.ch.Space != "" || e.id > r.lost:
			t.Fatalf("%s at %d: got %d (%s), want %d %s", r.set, r.at, id, name, e.id, e.ch)
		}
	}
	t.Fatalf("%s at %d: got %d (%s), which nobody published", r.set, r.at, id, name)
}

func (m *model) removed(t *rapid.T) uint64 {
	state, err := m.log.State("")
	if err != nil {
		t.Fatal(err)
	}
	return state.Removed
}

func (m *model) receive(t *rapid.T, r *reader, out []byte) {
	events, err := r.parser.Feed(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if _, text, found := strings.Cut(e.Data, `"connection":"`); found && e.Name == "" {
			text, _, _ = strings.Cut(text, `"`)
			r.connection, _ = eventlog.ParseConnection(text)
		}
		if e.ID == "" {
			continue
		}
		id, err := strconv.ParseUint(e.ID, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		moved := e.ID != r.last
		r.last = e.ID
		switch e.Name {
		case "gap":
			m.gap(t, r, id)
		case "", "message", "ping":
			// A position: no event of this reader is between it and the last one.
			if next, ok := m.next(r); ok && next.id <= id && moved {
				t.Fatalf("%s: got the position %d, but %d %s was not delivered", r.set, id, next.id, next.ch)
			}
			r.at = max(r.at, id)
		default:
			m.event(t, r, id, e.Name)
		}
	}
}

func (m *model) gap(t *rapid.T, r *reader, id uint64) {
	removed, several := m.removed(t), len(r.set.Spaces()) > 1
	if id < r.at || id > removed || id == r.at && !several {
		t.Fatalf("%s at %d: gap to %d, but retention removed up to %d", r.set, r.at, id, removed)
	}
	if several {
		r.lost = removed
	}
	for _, e := range m.all {
		if e.id > r.at && e.id <= id && e.ch.Space != "" && r.set.Match(e.ch) {
			t.Fatalf("%s at %d: the gap to %d skips %d of %s, which is retained", r.set, r.at, id, e.id, e.ch)
		}
	}
	r.at = id
}
