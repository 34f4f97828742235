package realtime_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"pgregory.net/rapid"

	"sluice/broker/sse/ssetest"
)

// entry is an event as an answer gives it.
type entry struct {
	ID, Event, Collection, Stream string
	Data                          json.RawMessage
	id                            uint64
}

func (e entry) String() string {
	return fmt.Sprintf("%s %s:%s %s %.20s", e.ID, e.Event, e.Collection, e.Stream, e.Data)
}

func (e entry) same(o entry) bool {
	return e.String() == o.String() && string(e.Data) == string(o.Data)
}

// reply is an answer of history taken apart.
type reply struct {
	status int
	events []entry
	gaps   []gapFields
	end    ssetest.Event
}

// gapFields is what a gap says.
type gapFields struct {
	Reason, After, Oldest string
	before                int // events that came before it
}

// ask reads an answer that ends. The test outlives the run of rapid's that it is asked for.
func (g *gateway) ask(rt rapid.TB, t testing.TB, key string, query url.Values, lines bool, lastEventID string) *reply {
	rt.Helper()
	headers := []string{"Last-Event-ID", lastEventID}
	if lines {
		headers = append(headers, "Accept", "application/x-ndjson")
	}
	s := g.Open(t, key, "?"+query.Encode(), headers...)
	defer s.Answer.Body.Close()
	text, err := io.ReadAll(s.Answer.Body)
	if err != nil {
		rt.Fatalf("%s: %v after %.500q", query.Encode(), err, text)
	}
	p := &reply{status: s.Answer.StatusCode}
	if p.status == http.StatusOK {
		p.read(rt, text, lines)
	}
	return p
}

func (p *reply) read(t rapid.TB, text []byte, lines bool) {
	t.Helper()
	if lines {
		for line := range bytes.Lines(text) {
			if len(line) > 1 {
				p.take(t, "", line)
			}
		}
		return
	}
	var parser ssetest.Parser
	frames, err := parser.Feed(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		switch f.Name {
		case "", "ping", "live":
		case "end":
			p.end = f
		default:
			p.take(t, f.ID, []byte(f.Data))
		}
	}
}

// take reads an event or a gap. A frame's id stands beside its object, a line's in it.
func (p *reply) take(t rapid.TB, id string, text []byte) {
	t.Helper()
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("%.300q: %v", text, err)
	}
	if e.Event == "gap" {
		g := gapFields{before: len(p.events)}
		if err := json.Unmarshal(e.Data, &g); err != nil || e.ID != "" {
			t.Fatalf("%q: %v", text, err)
		}
		p.gaps = append(p.gaps, g)
		return
	}
	e.ID = cmp.Or(e.ID, id)
	p.events = append(p.events, e)
}
