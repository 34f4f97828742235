package documents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidwall/gjson"
	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/store/documents"
	"sluice/store/documents/query"
	"sluice/store/eventlog"
)

// model is what a store should have: texts by id.
type model struct {
	fs    vfs.FS
	store *documents.Store
	log   *eventlog.Log
	docs  map[string]string
	seen  map[string]string // texts by the events
	read  uint64            // the position that follow has reached
}

// TestModel: after any mix of changes, queries, reopenings and other indexes, the store has the documents of a map. A
// follower of the events has the same documents.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{fs: vfs.NewMem(), docs: map[string]string{}, seen: map[string]string{}}
		if rapid.Bool().Draw(rt, "in memory") {
			m.fs = nil
		}
		m.open(rt)
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			texts, err := m.store.Insert(context.Background(), "c", "", []documents.New{{ID: id, Fields: fields(rt, own.Draw(rt, "fields"))}})
			if err != nil {
				rt.Fatal(err)
			}
			m.set(texts)
		}
		defer func() { closeLog(rt, m.log) }()
		ctx := context.Background()
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "a.b", "~"})
		ids := rapid.SliceOfNDistinct(id, 1, 4, rapid.ID)
		rt.Repeat(map[string]func(*rapid.T){
			"insert": func(rt *rapid.T) {
				var docs []documents.New
				taken := false
				for _, id := range ids.Draw(rt, "ids") {
					docs = append(docs, documents.New{ID: id, Fields: fields(rt, own.Draw(rt, "fields"))})
					taken = taken || m.docs[id] != ""
				}
				texts, err := m.store.Insert(ctx, "c", "ann", docs)
				if taken != errors.Is(err, documents.ErrTaken) || !taken && err != nil {
					rt.Fatal(taken, err)
				}
				m.set(texts)
			},
			"update": func(rt *rapid.T) {
				asked, lenient, with := ids.Draw(rt, "ids"), rapid.Bool().Draw(rt, "lenient"), own.Draw(rt, "fields")
				there := m.there(asked)
				texts, err := m.store.Update(ctx, "c", "ben", asked, lenient, func(_ string, f *documents.Fields) error {
					f.Merge(fields(rt, with))
					return nil
				})
				if lenient || len(there) == len(asked) {
					if err != nil || len(texts) != len(there) {
						rt.Fatal(len(texts), there, err)
					}
				} else if !errors.Is(err, documents.ErrNotFound) {
					rt.Fatal(err)
				}
				m.set(texts)
			},
			"remove": func(rt *rapid.T) {
				asked, lenient := ids.Draw(rt, "ids"), rapid.Bool().Draw(rt, "lenient")
				there := m.there(asked)
				gone, err := m.store.Remove(ctx, "c", asked, lenient)
				if lenient || len(there) == len(asked) {
					if err != nil || !slices.Equal(gone, there) {
						rt.Fatal(gone, there, err)
					}
				} else if !errors.Is(err, documents.ErrNotFound) {
					rt.Fatal(err)
				}
				for _, id := range gone {
					delete(m.docs, id)
				}
			},
			"find": func(rt *rapid.T) {
				for range 8 { // rare queries find the errors of a plan
					m.find(rt)
				}
			},
			"reopen": m.reopen,
			"": func(rt *rapid.T) {
				m.follow(rt)
				if !maps.Equal(m.seen, m.docs) {
					rt.Fatalf("seen %q, want %q", m.seen, m.docs)
				}
				for _, id := range []string{"a", "b", "c", "d", "e", "a.b", "~"} {
					if text, err := m.store.Get(context.Background(), "c", id); string(text) != m.docs[id] || errors.Is(err, documents.ErrNotFound) != (m.docs[id] == "") {
						rt.Fatalf("%s: %s, %v, want %s", id, text, err, m.docs[id])
					}
				}
				if n := m.store.Count("c"); n != int64(len(m.docs)) {
					rt.Fatal(n, len(m.docs))
				}
			},
		})
	})
}

// own draws fields, some of them missing, and of several kinds.
var own = rapid.Custom(func(rt *rapid.T) string {
	var members []string
	for _, name := range []string{"n", "s", "x"} {
		v := rapid.SampledFrom([]string{"", "null", "1", "2", "-3", `"1"`, `"` + strings.Repeat("l", 300) + `"`, `"` + strings.Repeat("l", 301) + `"`, "true", `[1,"a"]`, `{"y":1}`, `"2026-11-29T20:00:00+09:00"`, `"2026-11-29T11:30:00Z"`, "9007199254740992", "9007199254740993"}).Draw(rt, name)
		if v != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, v))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
})

func (m *model) open(rt *rapid.T) {
	o := documents.Options{Indexes: map[string][]string{}}
	o.Indexes["c"] = rapid.SampledFrom([][]string{nil, {"n"}, {"n", "s"}, {"x.y", "s"}, {"_created"}}).Draw(rt, "indexes")
	m.store, m.log = open(rt, m.fs, o)
	if m.read == 0 {
		m.read = m.log.Settled()
	}
}

func (m *model) reopen(rt *rapid.T) {
	if m.fs == nil {
		return // not durable
	}
	m.follow(rt)
	if faults := verify(rt, m.log); len(faults) > 0 {
		rt.Fatalf("the rows have faults: %s", strings.Join(faults, "\n"))
	}
	closeLog(rt, m.log)
	m.open(rt)
}

func (m *model) set(texts [][]byte) {
	for _, text := range texts {
		m.docs[documents.ID(text)] = string(text)
	}
}

func (m *model) there(ids []string) (there []string) {
	for _, id := range ids {
		if m.docs[id] != "" {
			there = append(there, id)
		}
	}
	return there
}

// follow reads the new events, as a door does.
func (m *model) follow(rt *rapid.T) {
	q := &eventlog.Query{Channels: channel.Everything()}
	for m.read < m.log.Settled() {
		p, err := m.log.Read(context.Background(), q, m.read, 100)
		if err != nil {
			rt.Fatal(err)
		}
		for i := range p.Events {
			ch, ok := documents.Changes(&p.Events[i])
			if !ok {
				continue
			}
			for _, text := range ch.Documents {
				m.seen[documents.ID(text)] = string(text)
			}
			for _, id := range ch.IDs {
				delete(m.seen, id)
			}
		}
		m.read = p.Reached
	}
}

// condition draws a condition on one or two fields.
func condition(rt *rapid.T) *query.Condition {
	leaf := func(label string) query.Node {
		name := rapid.SampledFrom([]string{"n", "s", "x.y", "_id"}).Draw(rt, label+" field")
		f, err := query.ParseField(name)
		if err != nil {
			rt.Fatal(err)
		}
		n := query.Node{Op: rapid.SampledFrom([]query.Op{query.Eq, query.Lt, query.Gte, query.In, query.StartsWith, query.Null}).Draw(rt, label+" op"), Field: f}
		n.Rules = rapid.SampledFrom([]query.Rules{query.Mongo, query.SQL}).Draw(rt, label+" rules")
		n.Negate = rapid.Bool().Draw(rt, label+" negated")
		value := rapid.SampledFrom([]string{`"b"`, `"c"`, "1", "2", `"1"`, `"l"`, `"a"`, `"` + strings.Repeat("l", 300) + `"`, "null", "true", `"2026-11-29T20:15:00+09:00"`, `"2026-11-29T11:00:00Z"`, "9007199254740992", "1795950000000"})
		switch n.Op {
		case query.Null:
		case query.StartsWith:
			n.Values = []gjson.Result{query.String(rapid.SampledFrom([]string{"l", "a", strings.Repeat("l", 290)}).Draw(rt, label+" text"))}
		case query.In:
			for _, v := range rapid.SliceOfN(value, 0, 3).Draw(rt, label+" values") {
				n.Values = append(n.Values, gjson.Parse(v))
			}
		default:
			n.Values = []gjson.Result{gjson.Parse(value.Draw(rt, label+" value"))}
		}
		return n
	}
	switch rapid.IntRange(0, 3).Draw(rt, "shape") {
	case 0:
		return nil
	case 1:
		return compiled(rt, leaf("1"))
	case 2:
		return compiled(rt, query.Node{Op: query.And, Nodes: []query.Node{leaf("1"), leaf("2")}})
	}
	return compiled(rt, query.Node{Op: query.Or, Nodes: []query.Node{leaf("1"), leaf("2")}})
}

func compiled(rt *rapid.T, n query.Node) *query.Condition {
	c, err := query.Compile(n)
	if err != nil {
		rt.Fatal(err)
	}
	return c
}

// find compares a query with a sorted list.
func (m *model) find(rt *rapid.T) {
	q := &documents.Query{Where: condition(rt), Skip: rapid.IntRange(0, 3).Draw(rt, "skip"), Limit: rapid.IntRange(-1, 4).Draw(rt, "limit"), Total: rapid.Bool().Draw(rt, "total")}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"n", "s", "_id", "x.y"}), 0, 2, rapid.ID).Draw(rt, "order") {
		f, _ := query.ParseField(name)
		q.Order = append(q.Order, query.Term{Field: f, Descending: rapid.Bool().Draw(rt, "descending"), Rules: rapid.SampledFrom([]query.Rules{query.Mongo, query.SQL}).Draw(rt, "rules")})
	}
	var want []string
	for _, text := range m.docs {
		if q.Where.Match([]byte(text)) {
			want = append(want, text)
		}
	}
	slices.SortFunc(want, func(a, b string) int {
		if c := q.Order.Compare([]byte(a), []byte(b)); c != 0 {
			return c
		}
		c := strings.Compare(documents.ID([]byte(a)), documents.ID([]byte(b)))
		if len(q.Order) > 0 && q.Order[0].Descending {
			c = -c
		}
		return c
	})
	total := int64(-1)
	if q.Total {
		total = int64(len(want))
	}
	want = want[min(q.Skip, len(want)):]
	if q.Limit >= 0 {
		want = want[:min(q.Limit, len(want))]
	}
	r, err := m.store.Find(context.Background(), "c", q)
	if err != nil {
		rt.Fatal(err)
	}
	var got []string
	for _, text := range r.Documents {
		got = append(got, string(text))
	}
	if !slices.Equal(got, want) || r.Total != total || r.Position != m.log.Settled() {
		rt.Fatalf("got %q of %d, want %q of %d", got, r.Total, want, total)
	}
	var each []string
	err = m.store.Each(context.Background(), "c", q.Where, func(text []byte) error {
		each = append(each, string(bytes.Clone(text)))
		return nil
	})
	if err != nil || q.Total && int64(len(each)) != total {
		rt.Fatal(len(each), total, err)
	}
}

// What /realtime shows of each change, and the order of ids.
func TestEvents(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_790_000_000_000)
	s, log := open(t, vfs.NewMem(), documents.Options{Now: func() time.Time { return now }})
	defer closeLog(t, log)
	ctx, begun := context.Background(), log.Settled()
	texts, err := s.Insert(ctx, "c", "ann", []documents.New{{}, {}, {}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, text := range texts {
		ids = append(ids, documents.ID(text))
	}
	if !slices.IsSorted(ids) || len(ids[0]) != 24 || !strings.HasPrefix(ids[0], fmt.Sprintf("%012x", now.UnixMilli())) {
		t.Error(ids)
	}
	if _, err := s.Update(ctx, "c", "", ids[:2], false, func(string, *documents.Fields) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(ctx, "c", ids, false); err != nil {
		t.Fatal(err)
	}
	p, err := log.Read(ctx, &eventlog.Query{Channels: channel.Everything()}, begun, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	var changes []int
	for i := range p.Events {
		e := &p.Events[i]
		got = append(got, fmt.Sprintf("%s:%s %s", e.Name, e.Collection, e.Data))
		if ch, ok := documents.Changes(e); ok {
			changes = append(changes, len(ch.Documents)+len(ch.IDs))
		}
	}
	for _, text := range texts {
		want = append(want, "post:c "+string(text))
	}
	all, _ := json.Marshal(ids)
	want = append(want, `put:c "`+ids[0]+`"`, `put:c "`+ids[1]+`"`, "delete:c "+string(all))
	if !slices.Equal(got, want) || fmt.Sprint(changes) != "[1 1 1 2 3]" {
		t.Errorf("got  %q\nwant %q\nchanges %v", got, want, changes)
	}
	// An event that a client published under the same name changes no document.
	for _, e := range []eventlog.Event{{Name: "post", Data: []byte("{}")}, {Name: "put", Data: []byte(`"x"`)}, {Name: "goal", Data: []byte("1"), Meta: []byte("d")}, {Name: "put", Meta: []byte("d[")}, {Name: "delete", Meta: []byte("d"), Data: []byte("{}")}} {
		if _, ok := documents.Changes(&e); ok {
			t.Errorf("%+v", e)
		}
	}
}

// A condition that leads to several parts of an index, read backwards.
func TestPartsBackwards(t *testing.T) {
	t.Parallel()
	s, log := open(t, vfs.NewMem(), documents.Options{Indexes: map[string][]string{"c": {"n"}}})
	defer closeLog(t, log)
	for i, id := range []string{"a", "b", "c", "d"} {
		insert(t, s, "c", id, fmt.Sprintf(`{"n":%d}`, i))
	}
	for name, values := range map[string][]string{"_id": {`"a"`, `"c"`}, "n": {"0", "2"}} {
		f, err := query.ParseField(name)
		if err != nil {
			t.Fatal(err)
		}
		or := query.Node{Op: query.Or}
		for _, v := range values {
			or.Nodes = append(or.Nodes, query.Node{Op: query.Eq, Field: f, Rules: query.SQL, Values: []gjson.Result{gjson.Parse(v)}})
		}
		where, err := query.Compile(or)
		if err != nil {
			t.Fatal(err)
		}
		if parts, ok := where.Ranges(name); !ok || len(parts) < 2 {
			t.Errorf("%s: %d parts", name, len(parts))
		}
		r, err := s.Find(context.Background(), "c", &documents.Query{Where: where, Order: query.Order{{Field: f, Descending: true}}, Limit: 1})
		if err != nil || len(r.Documents) != 1 || documents.ID(r.Documents[0]) != "c" {
			t.Errorf("%s: %q, %v", name, r.Documents, err)
		}
	}
}
