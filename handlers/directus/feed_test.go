package directus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/eventlog/memory"
)

// TestFeeds: those who ask for the same have one feed, which holds a change against its query once and keeps some of
// what came of it.
func TestFeeds(t *testing.T) {
	t.Parallel()
	all := &feeds{byKey: map[feedKey]*feed{}}
	use := func(query, item string) *feed {
		q, err := parseQuery(query, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := requestOf(gjson.Parse(query), q, time.Now(), item)
		return all.use(&r)
	}
	a, b := use(`{"fields":["id"],"filter":{"n":{"_gt":1}}}`, ""), use(`{ "filter":{"n":{"_gt":1.0}}, "fields":["id"] }`, "")
	if a != b {
		t.Error("the same query has two feeds")
	}
	for _, other := range []*feed{use(``, ""), use(`{}`, ""), use(`{}`, "1"), use(`{"filter":{"d":{"_gt":"$NOW"}}}`, ""), use(`{"filter":{"d":{"_gt":"$NOW"}}}`, "")} {
		if other == a || other.uses.Load() != 1 {
			t.Errorf("%+v is shared", other.feedKey)
		}
		all.drop(other)
	}
	if len(all.byKey) != 1 {
		t.Errorf("%d feeds are left, one is used", len(all.byKey))
	}
	made := func(id uint64, data string) string {
		message, err := b.messageOf(id, &change{event: eventlog.Event{ID: id, Name: "post", Data: []byte(data), Meta: []byte{'d'}}})
		if err != nil {
			t.Error(err)
		}
		return string(message)
	}
	want := `{"type":"subscription","event":"create","data":[{"id":"1"}]`
	if got := made(1, `{"_id":"1","n":2}`); got != want {
		t.Error(got)
	}
	if got := made(1, `{"_id":"other","n":2}`); got != want {
		t.Errorf("it was made again: %s", got)
	}
	for id := range uint64(maxFeedMessages) {
		if got := made(id+2, `{"_id":"x","n":0}`); got != "" {
			t.Error(got)
		}
	}
	if got := made(1, `{"_id":"other","n":2}`); got == want || len(b.made) > maxFeedMessages {
		t.Errorf("it was kept: %s, %d", got, len(b.made))
	}
	if _, err := b.messageOf(20000, &change{event: eventlog.Event{ID: 20000, Name: "put", Data: []byte(`{"_id":"1","n":2}`)}}); err != nil || len(b.made) > maxFeedMessages || slices.Contains(b.order, 20000) {
		t.Error("an event without a message was stored")
	}
	large := strings.Repeat("x", 2*maxFeedBytes)
	want = made(10000, `{"_id":"`+large+`","n":2}`)
	if got := made(10000, `{"_id":"other","n":2}`); got != want {
		t.Error("a large one was made again")
	}
	made(10001, `{"_id":"`+large+`","n":2}`)
	if got := made(10000, `{"_id":"other","n":2}`); got != want || int(all.used.Load()) != b.bytes {
		t.Errorf("the second in a row put out the first; %d bytes are kept of one, %d of all", b.bytes, all.used.Load())
	}
	all.used.Add(maxAllFeeds)
	made(10002, `{"_id":"`+large+`","n":2}`)
	if got := made(10002, `{"_id":"3","n":2}`); !strings.Contains(got, `"3"`) || b.bytes > maxFeedBytes {
		t.Errorf("large ones were kept, where there is no room for them: %d bytes", b.bytes)
	}
	all.used.Store(int64(b.bytes))
	all.drop(b)
	kept := len(a.order)
	if _, err := a.messageOf(30000, &change{event: eventlog.Event{ID: 30000, Name: "post", Data: []byte(`{"_id":"1","n":2}`), Meta: []byte{'d'}}}); err != nil || len(a.order) != kept {
		t.Errorf("a feed of one subscription keeps what it has made for others: %v", err)
	}
	all.drop(a)
	if len(all.byKey) != 0 || all.used.Load() != 0 {
		t.Errorf("%d feeds are left, and %d bytes", len(all.byKey), all.used.Load())
	}
}

// TestChanges: what is kept is bounded, and what is not is read.
func TestChanges(t *testing.T) {
	t.Parallel()
	log, err := eventlog.Open(memory.Open(memory.Options{Retain: func(string) eventlog.Retention { return eventlog.Retention{} }}), eventlog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := newChanges(log)
	log.Tail(func(events []eventlog.Event, _ uint64) {
		for i := range events {
			c.Append(nil, &events[i])
		}
	})
	var ids []uint64
	for range 20 {
		id, err := log.Append(t.Context(), &eventlog.Request{Events: []eventlog.Event{{Name: "post", Collection: "m", Data: make([]byte, 1<<20), Meta: []byte{'d'}}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if c.bytes > changesBytes || len(c.byID) != 15 || len(c.order) != 15 {
		t.Errorf("%d bytes of %d changes", c.bytes, len(c.byID))
	}
	set := channel.NewSet(channel.Pattern{})
	for _, id := range ids {
		if one, err := c.find(t.Context(), id, set); err != nil || one == nil || one.event.ID != id {
			t.Errorf("%d: %v %v", id, one, err)
		}
	}
	if one, err := c.find(t.Context(), ids[0]-1, set); one != nil || err != nil {
		t.Errorf("what never was: %v %v", one, err)
	}
	if got := c.Append(nil, &eventlog.Event{ID: 1, Name: "post", Data: []byte("{}")}); len(got) > 0 {
		t.Error("what somebody published is taken for a change")
	}
}

// BenchmarkFeed is what holding one change against one query costs.
func BenchmarkFeed(b *testing.B) {
	small := `{"_id":"577cf185e2039b0900000016","text":"hello world","user":"Ben","n":5,"_created":"2026-11-20T13:22:01.000Z","_changed":"2026-11-20T13:22:01.000Z","_createdby":"a","_changedby":"a","_version":1}`
	large := `{"_id":"577cf185e2039b0900000016","long":"` + strings.Repeat("x", 60_000) + `","n":5}`
	many := `{"_or":[{"a0":{"_eq":1}}`
	for i := range 99 {
		many += fmt.Sprintf(`,{"a%d":{"_eq":1}}`, i+1)
	}
	many += `]}`
	for _, c := range []struct{ name, doc, query string }{
		{"everything", small, `{}`},
		{"match", small, `{"filter":{"user":{"_eq":"Ben"}},"fields":["id","text"]}`},
		{"no match", small, `{"filter":{"user":{"_eq":"Ann"}}}`},
		{"everything of 60 KB", large, `{}`},
		{"no match in 60 KB", large, `{"filter":{"n":{"_eq":6}}}`},
		{"100 conditions in 60 KB", large, `{"filter":` + many + `}`},
	} {
		q, err := parseQuery(c.query, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		f := &feed{request: requestOf(gjson.Parse(c.query), q, time.Now(), "")}
		e := &eventlog.Event{ID: 1, Name: "post", Collection: "m", Data: []byte(c.doc), Meta: []byte{'d'}}
		var dst []byte
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				changed, _ := (&change{event: *e}).read()
				dst, _ = f.message(dst[:0], changed, q)
			}
		})
	}
}
