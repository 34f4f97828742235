package realtime_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sluice/gateway/gatewaytest"
)

// Every selector alone, and the last frame.
func TestSelectors(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	var ids []string
	for i := range 10 {
		ids = append(ids, g.Publish(t, fmt.Sprintf(`{"event":%q,"stream":%q,"data":%d}`, []string{"a", "b"}[i%2], []string{"s", "t", "u"}[i%3], i)))
	}
	at := func(i int) string {
		n, err := strconv.ParseInt(ids[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.UnixMicro(n).UTC().Format(time.RFC3339Nano)
	}
	for _, tt := range []struct {
		query  string
		from   int
		to     int // of ids, not included
		only   string
		reason string
	}{
		{"?until=caught-up", 0, 10, "", "until"},
		{"?from=earliest&until=caught-up", 0, 10, "", "until"},
		{"?from=" + ids[3] + "&until=caught-up", 3, 10, "", "until"},
		{"?after=" + ids[3] + "&until=caught-up", 4, 10, "", "until"},
		{"?from=" + at(3) + "&until=caught-up", 3, 10, "", "until"},
		{"?after=" + at(3) + "&until=caught-up", 4, 10, "", "until"},
		{"?to=" + ids[5], 0, 6, "", "to"},
		{"?until=" + ids[5], 0, 5, "", "until"},
		{"?to=" + at(5), 0, 6, "", "to"},
		{"?until=" + at(5), 0, 5, "", "until"},
		{"?from=" + ids[2] + "&to=" + ids[2], 2, 3, "", "to"},
		{"?limit=4", 0, 4, "", "limit"},
		{"?from=-3&until=caught-up", 7, 10, "", "until"},
		{"?after=-300&until=caught-up", 0, 10, "", "until"},
		{"?from=-1&limit=1", 9, 10, "", "limit"},
		{"?types=a&until=caught-up", 0, 10, "a", "until"},
		{"?types=b,c&from=-2&until=caught-up", 6, 10, "b", "until"},
	} {
		p := g.History(t, gatewaytest.KeyAll, tt.query)
		var want []string
		for i := tt.from; i < tt.to; i++ {
			if name := []string{"a", "b"}[i%2]; tt.only == "" || tt.only == name {
				want = append(want, ids[i])
			}
		}
		if !slices.Equal(p.IDs, want) {
			t.Errorf("%s: got %v, want %v", tt.query, p.IDs, want)
		}
		if p.End.Data != `{"event":"end","data":{"reason":"`+tt.reason+`"}}` || p.End.Retry != 24*time.Hour || p.End.ID == "" || p.Live || p.Gap != "" {
			t.Errorf("%s: ended with %+v, live %v, gap %q", tt.query, p.End, p.Live, p.Gap)
		}
		if tt.reason == "limit" {
			continue // who comes back may have as many again
		}
		// A client that reconnects to a range that is over gets 204, which stops it.
		if again := g.History(t, gatewaytest.KeyAll, tt.query, "Last-Event-ID", p.End.ID); again.Status != http.StatusNoContent {
			t.Errorf("%s: coming back with %s: %d", tt.query, p.End.ID, again.Status)
		}
	}
	stream := g.History(t, gatewaytest.KeyAll, "?stream=t&until=caught-up")
	if want := []string{ids[1], ids[4], ids[7]}; !slices.Equal(stream.IDs, want) {
		t.Errorf("stream: %v, want %v", stream.IDs, want)
	}
	// The grant holds for the past.
	if p := g.History(t, gatewaytest.KeyPut, "?until=caught-up"); len(p.IDs) != 0 {
		t.Errorf("another's events: %v", p.IDs)
	}
}

func TestBadSelectors(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for query, param := range map[string]string{
		"?from=1&after=2": "after", "?to=1&until=2": "until", "?from=": "from", "?limit=0": "limit", "?limit=-1": "limit",
		"?limit=1000000000000": "limit", "?limit=1.5": "limit", "?limit=1&limit=2": "limit", "?from=yesterday": "from",
		"?from=caught-up": "from", "?to=caught-up": "to", "?to=earliest": "to", "?until=-3": "until", "?from=-0": "from", "?from=-x": "from",
		"?stream=": "stream", "?stream=a,b": "stream", "?types=": "types", "?types=a,,b": "types", "?types=ping": "types",
		"?from=2999-01-01T00:00:00Z": "from", "?after=0000-01-01T00:00:00Z": "after", "?to=12345678901234567": "to", "?from=now&from=now": "from",
	} {
		s := g.Open(t, gatewaytest.KeyAll, query)
		text, _ := io.ReadAll(io.LimitReader(s.Answer.Body, 1000))
		if s.Answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "parameter "+param+":") {
			t.Errorf("%s: %d %.200q", query, s.Answer.StatusCode, text)
		}
	}
}

// A selector is taken up to its bound, and one more is a 400 that names it.
func TestBoundsOfSelectors(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.Publish(t, `{"event":"a","stream":"s"}`)
	names := func(n int) string { return "types=a" + strings.Repeat(",b", n-1) }
	for _, one := range []struct{ param, most, over string }{
		{"types", names(100), names(101)},
		{"limit", "limit=1000000", "limit=1000001"},
		{"from", "from=-1000000", "from=-1000001"},
		{"after", "after=-1000000", "after=-1000001"},
		{"stream", "stream=s&types=a", "stream=" + strings.Repeat("s", 129)},
	} {
		if p := g.History(t, gatewaytest.KeyAll, "?until=caught-up&"+one.most); p.Status != http.StatusOK || len(p.IDs) != 1 {
			t.Errorf("%s at its bound: %d with %d events", one.param, p.Status, len(p.IDs))
		}
		status, text := g.Request(t, http.MethodGet, "/realtime?until=caught-up&"+one.over, "", "x-apikey", gatewaytest.KeyAll)
		if status != http.StatusBadRequest || !strings.Contains(text, "parameter "+one.param+":") {
			t.Errorf("%s over its bound: %d %s", one.param, status, text)
		}
	}
}

// History, then the present, without a seam; both ends and the limit count there too.
func TestHistoryGoesLive(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	a := g.Publish(t, `{"event":"x","stream":"s"}`)
	s := g.Stream(t, gatewaytest.KeyAll, "?stream=s&limit=3")
	if h := s.Answer.Header.Get("Connection"); h != "" {
		t.Errorf("Connection: %s", h)
	}
	if e := s.Event(t); e.ID != a {
		t.Errorf("%+v", e)
	}
	if e := s.Event(t); e.Name != "live" || e.Data != `{"event":"live","data":{}}` {
		t.Errorf("%+v", e)
	}
	g.Publish(t, `{"event":"x","stream":"other"}`)
	b, c := g.Publish(t, `{"event":"x","stream":"s"}`), g.Publish(t, `{"event":"y","stream":"s"}`)
	for _, want := range []string{b, c} {
		if e := s.Event(t); e.ID != want {
			t.Errorf("%+v, want %s", e, want)
		}
	}
	if e := s.Event(t); e.Name != "end" || e.ID != c {
		t.Errorf("%+v", e)
	}
	// A range that ends in the future ends then, though nothing is published.
	soon := time.Now().Add(700 * time.Millisecond).UTC().Format(time.RFC3339Nano)
	if p := g.History(t, gatewaytest.KeyAll, "?from=now&to="+soon); !p.Live || p.End.Data == "" || len(p.IDs) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	id := g.Publish(t, `{"event":"put","collection":"c","stream":"s","data":{"n":1e400}}`)
	g.Publish(t, `{"event":"goal"}`)
	s := g.Open(t, gatewaytest.KeyAll, "?until=caught-up", "Accept", "application/x-ndjson")
	text, err := io.ReadAll(s.Answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.ParseInt(id, 10, 64)
	want := fmt.Sprintf(`{"id":"%s","ts":"%s","event":"put","collection":"c","stream":"s","data":{"n":1e400}}`, id, time.UnixMicro(n).UTC().Format("2006-01-02T15:04:05.000Z"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 || lines[0] != want || s.Answer.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%s: %s", s.Answer.Header.Get("Content-Type"), text)
	}
	// Without selectors it is the present, kept alive by empty lines.
	live := g.Open(t, gatewaytest.KeyAll, "", "Accept", "application/x-ndjson")
	g.Publish(t, `{"event":"goal","data":2}`)
	line, err := bufio.NewReader(live.Answer.Body).ReadString('\n')
	var e struct{ Event string }
	if err != nil || json.Unmarshal([]byte(line), &e) != nil || e.Event != "goal" {
		t.Errorf("%q %v", line, err)
	}
}

// TestSelectorModel: any mix of selectors gives what a filter over the list of all events gives.
func TestSelectorModel(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	type event struct {
		id           uint64
		name, stream string
	}
	var all []event
	for i := range 60 {
		e := event{name: []string{"a", "b", "c"}[i%3], stream: []string{"", "s", "t"}[i/7%3]}
		body := fmt.Sprintf(`{"event":%q}`, e.name)
		if e.stream != "" {
			body = fmt.Sprintf(`{"event":%q,"stream":%q}`, e.name, e.stream)
		}
		id, err := strconv.ParseUint(g.Publish(t, body), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		e.id = id
		all = append(all, e)
	}
	first := all[0].id - 1
	rapid.Check(t, func(rt *rapid.T) {
		query := "?until=caught-up"
		after, last := first, all[len(all)-1].id
		near := func(label string) uint64 { // an id, or a hole beside one
			return all[rapid.IntRange(0, len(all)-1).Draw(rt, label)].id + rapid.Uint64Range(0, 2).Draw(rt, label+" off") - 1
		}
		written := func(id uint64, label string) string {
			if rapid.Bool().Draw(rt, label+" as time") {
				return time.UnixMicro(int64(id)).UTC().Format(time.RFC3339Nano)
			}
			return strconv.FormatUint(id, 10)
		}
		keep := func(event) bool { return true }
		if rapid.Bool().Draw(rt, "streamed") {
			s := rapid.SampledFrom([]string{"s", "t", "none"}).Draw(rt, "stream")
			query += "&stream=" + s
			keep = func(e event) bool { return e.stream == s }
		}
		if rapid.Bool().Draw(rt, "typed") {
			query += "&types=a,c"
			before := keep
			keep = func(e event) bool { return before(e) && e.name != "b" }
		}
		backs := 0
		switch rapid.IntRange(0, 4).Draw(rt, "begin") {
		case 1:
			id := min(near("from"), last)
			after, query = id-1, query+"&from="+written(id, "from")
		case 2:
			id := min(near("after"), last)
			after, query = id, query+"&after="+written(id, "after")
		case 3:
			backs = rapid.IntRange(1, 70).Draw(rt, "back")
			query += fmt.Sprintf("&from=-%d", backs)
		case 4:
			query += "&from=earliest"
		}
		if rapid.Bool().Draw(rt, "ends") {
			id := min(near("to"), last)
			query = strings.Replace(query, "until=caught-up", "to="+written(id, "to"), 1)
			defer func(l uint64) { last = l }(last)
			last = id
		}
		limit := 1 << 30
		if rapid.Bool().Draw(rt, "limited") {
			limit = rapid.IntRange(1, 70).Draw(rt, "limit")
			query += fmt.Sprintf("&limit=%d", limit)
		}
		var want []string
		var matching []event
		for _, e := range all {
			if keep(e) {
				matching = append(matching, e)
			}
		}
		if backs > 0 {
			matching = matching[max(0, len(matching)-backs):]
		}
		for _, e := range matching {
			if e.id > after && e.id <= last && len(want) < limit {
				want = append(want, strconv.FormatUint(e.id, 10))
			}
		}
		p := g.History(t, gatewaytest.KeyAll, query)
		if !slices.Equal(p.IDs, want) {
			rt.Fatalf("%s: got %v, want %v", query, p.IDs, want)
		}
		if p.Status != http.StatusOK && (p.Status != http.StatusNoContent || len(want) > 0) {
			rt.Fatalf("%s: %d", query, p.Status)
		}
	})
}

// A position that retention has passed causes a gap; earliest never does.
func TestExpiredPositions(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(s *setup) { s.RetainBytes = 20_000 })
	first := g.Publish(t, `{"event":"a"}`)
	for range 200 {
		g.Publish(t, `{"event":"a","data":"`+strings.Repeat("x", 1000)+`"}`)
	}
	if p := g.History(t, gatewaytest.KeyAll, "?from="+first+"&until=caught-up"); !strings.Contains(p.Gap, `"reason":"expired","after":"`+first+`"`) || len(p.IDs) == 0 {
		t.Errorf("%+v", p)
	}
	if p := g.History(t, gatewaytest.KeyAll, "?from=2020-01-01T00:00:00Z&until=caught-up"); !strings.Contains(p.Gap, `"reason":"expired"`) || strings.Contains(p.Gap, "after") {
		t.Errorf("%+v", p)
	}
	if p := g.History(t, gatewaytest.KeyAll, "?from=earliest&until=caught-up"); p.Gap != "" || len(p.IDs) == 0 {
		t.Errorf("%+v", p)
	}
}

// A grant that also names a database reads from its beginning, which lies before all that /realtime has lost: no gap.
func TestEarliestHasNoGap(t *testing.T) {
	t.Parallel()
	g := newGateway(t, gatewaytest.WithDemo, func(s *setup) {
		s.RetainBytes = 20_000
		s.APIKeys = fmt.Sprintf(`[{"name":"both","key":%q,"sub":["*","$db/demo"],"pub":["*","$db/demo"]}]`, gatewaytest.KeyAll)
	})
	g.Publish(t, `{"space":"$db/demo","event":"deposit","stream":"s"}`)
	for range 200 {
		g.Publish(t, `{"event":"a","data":"`+strings.Repeat("x", 1000)+`"}`)
	}
	for _, query := range []string{"?from=earliest&until=caught-up", "?until=caught-up", "?from=-1000&until=caught-up"} {
		for range 2 { // and not later on
			if p := g.History(t, gatewaytest.KeyAll, query); p.Gap != "" || len(p.IDs) < 2 || p.End.ID == "" {
				t.Errorf("%s: %+v", query, p)
			}
		}
	}
}

// A first request gets the end of its range, however little there is in it; only a client that comes back gets 204.
func TestFirstRequestIsNo204(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	for range 2 { // of an empty log, and of one with an event
		for _, query := range []string{
			"?from=now&until=caught-up", "?until=caught-up", "?to=2020-01-01T00:00:00Z", "?until=1", "?from=-5&to=2020-01-01T00:00:00Z", "?stream=none&until=caught-up",
		} {
			first := g.History(t, gatewaytest.KeyAll, query)
			if first.Status != http.StatusOK || first.End.ID == "" || first.End.Retry != 24*time.Hour || len(first.IDs) > 1 {
				t.Errorf("%s: %+v", query, first)
			}
			if again := g.History(t, gatewaytest.KeyAll, query, "Last-Event-ID", first.End.ID); again.Status != http.StatusNoContent {
				t.Errorf("%s: coming back with %q: %d", query, first.End.ID, again.Status)
			}
			if again := g.History(t, gatewaytest.KeyAll, query+"&lastEventId="+first.End.ID); again.Status != http.StatusNoContent {
				t.Errorf("%s: coming back with lastEventId: %d", query, again.Status)
			}
			if lines := g.Open(t, gatewaytest.KeyAll, query, "Accept", "application/x-ndjson"); lines.Answer.StatusCode != http.StatusOK {
				t.Errorf("%s: lines: %d", query, lines.Answer.StatusCode)
			}
		}
		g.Publish(t, `{"event":"a"}`)
	}
}
