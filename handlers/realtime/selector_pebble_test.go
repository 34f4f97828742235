package realtime_test

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"sluice/gateway/gatewaytest"
	"sluice/store/eventlog"
	"sluice/store/eventlog/logtest"
	"sluice/store/eventlog/pebble"
)

// selectorModel is the list of all events ever published, of which retention has removed the beginning.
type selectorModel struct {
	t       *testing.T
	fs      vfs.FS       // in memory, and the same after a reopen
	bytes   int64        // retained, unless more is dropped for once
	clock   atomic.Int64 // what the engine's shows
	over    uint64       // up to here all is over the age; 0: none is
	retain  atomic.Pointer[eventlog.Retention]
	engine  *pebble.Engine
	g       *gateway
	all     []entry
	removed uint64 // the newest that is gone
}

// tick sets the engine's clock, which stands still else, so that an age says to the microsecond what is over.
func (m *selectorModel) tick() {
	now := time.Now().UnixMicro()
	if m.over != 0 {
		m.retain.Store(&eventlog.Retention{Age: now - int64(m.over), Bytes: m.retain.Load().Bytes})
	}
	m.clock.Store(now)
}

// start opens the folder.
func (m *selectorModel) start() {
	m.t.Helper()
	m.tick()
	source := logtest.SourceOf(func() time.Time { return time.UnixMicro(m.clock.Load()) })
	var err error
	m.engine, err = pebble.Open(pebble.Options{Dir: "data", FS: m.fs, Source: source, Retain: func(string) eventlog.Retention { return *m.retain.Load() }})
	if err != nil {
		m.t.Fatal(err)
	}
	// The ring holds a few events only, so that most is read from the store.
	m.g = newGateway(m.t, func(s *setup) { s.Engine, s.RingBytes = m.engine, 4<<10 })
}

func (m *selectorModel) reopen(*rapid.T) {
	m.g.Stop(m.t)
	m.start()
}

func (m *selectorModel) publish(rt *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(rt, "requests") {
		var events []eventlog.Event
		for range rapid.IntRange(1, 8).Draw(rt, "batch") {
			e := eventlog.Event{
				Name:   rapid.SampledFrom([]string{"put", "post", "goal", "chat-a"}).Draw(rt, "name"),
				Stream: rapid.SampledFrom([]string{"", "s", "s", "t", "ü/ä"}).Draw(rt, "stream"),
				Data:   m.data(len(events), rapid.SampledFrom([]int{0, 100, 2000}).Draw(rt, "size")),
			}
			if e.Name != "chat-a" {
				e.Collection = rapid.SampledFrom([]string{"customer", "order"}).Draw(rt, "collection")
			}
			events = append(events, e)
		}
		m.put(events)
	}
	m.cut(rt)
}

// publishMany publishes enough equal events that others are read by the index.
func (m *selectorModel) publishMany(rt *rapid.T) {
	events := make([]eventlog.Event, rapid.IntRange(50, 400).Draw(rt, "many"))
	every := rapid.IntRange(40, 80).Draw(rt, "rare")
	for i := range events {
		events[i] = eventlog.Event{Name: "goal", Stream: "t", Data: m.data(i, 0)}
		if i%every == 7 {
			events[i].Name, events[i].Collection, events[i].Stream = "put", "customer", "ü/ä"
		}
	}
	m.put(events)
	m.cut(rt)
}

// data differs from event to event.
func (m *selectorModel) data(i, size int) []byte {
	return fmt.Appendf(nil, `"%d%s"`, len(m.all)+i, strings.Repeat("x", size))
}

func (m *selectorModel) put(events []eventlog.Event) {
	m.tick()
	ids := m.g.Put(m.t, events...)
	for i, e := range events {
		m.all = append(m.all, entry{ids[i], e.Name, e.Collection, e.Stream, e.Data, number(m.t, ids[i])})
	}
}

// cut lets the engine drop what is over its bytes, so that nothing goes while the model looks away.
func (m *selectorModel) cut(rt *rapid.T) {
	if err := m.g.Broker.Log().Retain(m.t.Context()); err != nil {
		rt.Fatal(err)
	}
	m.look(rt)
}

// look takes over what is gone, once that is found to be a beginning of the list.
func (m *selectorModel) look(rt *rapid.T) {
	state, err := m.g.Log.State("")
	if err != nil {
		rt.Fatal(err)
	}
	known := slices.ContainsFunc(m.all, func(e entry) bool { return e.id == state.Removed })
	if state.Removed < m.removed || !known && state.Removed != 0 {
		rt.Fatalf("removed up to %d, before %d", state.Removed, m.removed)
	}
	m.removed = state.Removed
}

// drop removes more than usual, by bytes or by age.
func (m *selectorModel) drop(rt *rapid.T) {
	retain := *m.retain.Load()
	if len(m.all) == 0 || rapid.Bool().Draw(rt, "by bytes") {
		m.retain.Store(&eventlog.Retention{Age: retain.Age, Bytes: rapid.Int64Range(1, m.bytes).Draw(rt, "bytes")})
		m.cut(rt)
		m.retain.Store(&retain)
		return
	}
	over := max(m.all[rapid.IntRange(0, len(m.all)-1).Draw(rt, "over")].id, m.removed)
	m.over = over
	m.tick()
	if m.look(rt); m.removed != over {
		rt.Fatalf("what is up to %d is over the age, but removed is up to %d", over, m.removed)
	}
	if rapid.Bool().Draw(rt, "from disk") {
		m.cut(rt)
	}
}

// request is a mix of selectors and what must come of it.
type request struct {
	key    string
	query  url.Values
	lines  bool
	after  uint64      // the last position that is not asked for
	asked  string      // the id that was named; a time is none
	gaps   []gapFields // that must come before all events
	last   uint64
	reason string
	limit  int
	want   []entry // as if there were no limit
}

func (m *selectorModel) request(rt *rapid.T) *request {
	r := &request{key: gatewaytest.KeyAll, query: url.Values{}, after: m.removed, last: math.MaxUint64, limit: math.MaxInt, lines: rapid.Bool().Draw(rt, "lines")}
	keep := func(e entry) bool { return e.id > m.removed }
	and := func(more func(e entry) bool) {
		before := keep
		keep = func(e entry) bool { return before(e) && more(e) }
	}
	switch rapid.IntRange(0, 5).Draw(rt, "grant") {
	case 0:
		r.key = gatewaytest.KeyPut // PUT:customer and chat-*
		and(func(e entry) bool { return e.Event == "put" && e.Collection == "customer" || e.Event == "chat-a" })
	case 1:
		r.query.Set("channels", "*:order")
		and(func(e entry) bool { return e.Collection == "order" })
	}
	if rapid.Bool().Draw(rt, "streamed") {
		s := rapid.SampledFrom([]string{"s", "t", "ü/ä", "none"}).Draw(rt, "stream")
		r.query.Set("stream", s)
		and(func(e entry) bool { return e.Stream == s })
	}
	if rapid.Bool().Draw(rt, "typed") {
		types := rapid.SampledFrom([]string{"put", "PATCH,chat-a", "goal,none", "none", "post,put,goal,chat-a"}).Draw(rt, "types")
		r.query.Set("types", types)
		names := strings.Split(strings.Replace(types, "PATCH", "put", 1), ",")
		and(func(e entry) bool { return slices.Contains(names, e.Event) })
	}
	for _, e := range m.all {
		if keep(e) {
			r.want = append(r.want, e)
		}
	}
	m.begin(rt, r)
	m.end(rt, r)
	r.want = slices.DeleteFunc(r.want, func(e entry) bool { return e.id <= r.after || e.id > r.last })
	if rapid.Bool().Draw(rt, "limited") {
		r.limit = rapid.IntRange(1, 300).Draw(rt, "limit")
		r.query.Set("limit", fmt.Sprint(r.limit))
	}
	return r
}

// near is an id, or a hole beside one, or any place up to the newest that is settled.
func (m *selectorModel) near(rt *rapid.T, settled uint64) uint64 {
	if len(m.all) == 0 || rapid.IntRange(0, 9).Draw(rt, "far") == 0 {
		return rapid.Uint64Range(1, settled).Draw(rt, "anywhere")
	}
	return min(settled, m.all[rapid.IntRange(0, len(m.all)-1).Draw(rt, "near")].id+rapid.Uint64Range(0, 2).Draw(rt, "off")-1)
}

func (m *selectorModel) begin(rt *rapid.T, r *request) {
	settled := m.g.Log.Settled()
	param := rapid.SampledFrom([]string{"from", "after"}).Draw(rt, "begin")
	switch rapid.IntRange(0, 7).Draw(rt, "kind") {
	case 0:
	case 1:
		r.query.Set(param, "earliest")
	case 2:
		r.query.Set(param, "now")
		r.after = settled
	case 3, 4:
		n := rapid.IntRange(1, 600).Draw(rt, "back")
		r.query.Set(param, fmt.Sprintf("-%d", n))
		r.want = r.want[max(0, len(r.want)-n):]
	default:
		at := m.near(rt, settled)
		if rapid.IntRange(0, 19).Draw(rt, "ahead") == 0 {
			at = settled + rapid.Uint64Range(1, 5_000_000).Draw(rt, "by")
		}
		if r.asked = strconv.FormatUint(at, 10); at <= settled && rapid.Bool().Draw(rt, "as time") {
			r.asked = ""
		}
		r.query.Set(param, cmp.Or(r.asked, inTime(at)))
		if r.after = at; param == "from" {
			r.after = at - 1
		}
		if r.after < m.removed {
			r.gaps, r.after = []gapFields{{"expired", r.asked, m.oldest(), 0}}, m.removed
		} else if r.after > settled {
			r.gaps, r.after = []gapFields{{"unknown", r.asked, m.oldest(), 0}}, settled
		}
	}
}

// oldest is what a gap names beside the reason: the oldest that is there.
func (m *selectorModel) oldest() string {
	for _, e := range m.all {
		if e.id > m.removed {
			return e.ID
		}
	}
	return ""
}

func inTime(id uint64) string { return time.UnixMicro(int64(id)).UTC().Format(time.RFC3339Nano) }

func (m *selectorModel) end(rt *rapid.T, r *request) {
	settled := m.g.Log.Settled()
	if r.reason = rapid.SampledFrom([]string{"until", "until", "to"}).Draw(rt, "end"); r.reason == "until" && rapid.Bool().Draw(rt, "caught up") {
		r.query.Set("until", "caught-up")
		r.last = settled
		return
	}
	at := m.near(rt, settled)
	text := strconv.FormatUint(at, 10)
	if rapid.Bool().Draw(rt, "end as time") {
		text = inTime(at)
	}
	r.query.Set(r.reason, text)
	if r.last = at; r.reason == "until" {
		r.last = at - 1
	}
}

// read follows a request page by page, each from where the last one ended, until the range is over.
func (m *selectorModel) read(rt *rapid.T) {
	r := m.request(rt)
	want, gaps, resume := r.want, r.gaps, ""
	for page := 0; ; page++ {
		p := m.g.ask(rt, m.t, r.key, r.query, r.lines, resume)
		where := fmt.Sprintf("%s lines=%v, page %d after %q (removed %d)", r.query.Encode(), r.lines, page, resume, m.removed)
		due := want[:min(r.limit, len(want))]
		if !slices.EqualFunc(p.events, due, entry.same) {
			rt.Fatalf("%s: got %q, want %q", where, p.events, due)
		}
		if p.status != http.StatusOK && (p.status != http.StatusNoContent || len(due) > 0 || gaps != nil) {
			rt.Fatalf("%s: %d", where, p.status)
		}
		if !slices.Equal(p.gaps, gaps) {
			rt.Fatalf("%s: gaps %+v, want %+v", where, p.gaps, gaps)
		}
		want, gaps = want[len(due):], nil
		reason := "limit"
		if len(due) < r.limit {
			reason = r.reason
		}
		if p.status == http.StatusOK && !r.lines {
			if data := fmt.Sprintf(`{"event":"end","data":{"reason":%q}}`, reason); p.end.Data != data || p.end.Retry != 24*time.Hour {
				rt.Fatalf("%s: ended with %+v, want %s", where, p.end, data)
			}
			resume = p.end.ID
		} else if len(due) > 0 {
			resume = due[len(due)-1].ID
		}
		if reason == "limit" {
			continue
		}
		if p.status != http.StatusOK || r.lines {
			return
		}
		if again := m.g.ask(rt, m.t, r.key, r.query, r.lines, resume); again.status != http.StatusNoContent {
			rt.Fatalf("%s: the range is over at %s, but coming back gives %d %q %+v", where, resume, again.status, again.events, again.gaps)
		}
		return
	}
}

// TestSelectorModelOverReopen: whatever is published, removed and opened again, every mix of selectors gives
// what a filter over the retained list gives, and a gap where what was asked for is gone.
func TestSelectorModelOverReopen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		// Little, so that publishing alone soon removes the beginning, or enough for a stream to be rare in a segment.
		m := &selectorModel{t: t, fs: vfs.NewMem(), bytes: rapid.SampledFrom([]int64{16 << 10, 128 << 10}).Draw(rt, "retained")}
		m.retain.Store(&eventlog.Retention{Bytes: m.bytes})
		m.start()
		defer func() { m.g.Stop(t) }()
		rt.Repeat(map[string]func(*rapid.T){
			"publish": m.publish, "publish many": m.publishMany, "drop": m.drop, "reopen": m.reopen,
			"read": m.read, "read again": m.read, "read more": m.read,
		})
	})
}
