package logtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

// generator draws entries. It knows the state of the first node, so that a condition can be right, and what there was once,
// so that it can be wrong as if others had changed the state meanwhile.
type generator struct {
	of       *judge
	at       uint64
	ahead    int64 // of the wall clock
	last     uint64
	next     int
	stored   []eventlog.Event // in plain spaces, as they were at some time
	answered []answered
	due      uint64          // the time of the next request with a key, near the end of an answer
	trims    []eventlog.Trim // what retention of the nodes wants to cut
}

// answered is an answer that may be remembered.
type answered struct {
	first uint64
	key   byte
}

const judgeBegins = 1_795_176_000_000_000 // as NewClock

var (
	plainSpaces = []string{"", "$db/a", "$db/b", "$db/c"}
	rooms       = []string{"$room/a", "$room/b", "$room/c"}
	rowKeys     = []string{"r/1", "r/2", "r/2x", "r/3"}
)

// learn notes what an entry has changed.
func (g *generator) learn(e *eventlog.Entry, o outcome) {
	for i := range o.events {
		g.last = o.events[i].ID
		if o.events[i].Op == 0 {
			g.stored = append(g.stored, o.events[i])
		}
	}
	if e.Request.Run {
		g.last = max(g.last+1, e.At)
	}
	if e.Request.Once != nil && o.err == "" {
		g.answered = append(g.answered, answered{o.first, e.Request.Once.Key[0]})
	}
}

// entry draws an entry of any kind.
func (g *generator) entry(t *rapid.T, jumpy bool) eventlog.Entry {
	kinds := []func(*rapid.T) *eventlog.Request{g.plain, g.plain, g.plain, g.once, g.once, g.once, g.push, g.push, g.rows, g.rows, g.edit, g.edit, g.edit, g.other}
	if jumpy {
		kinds = []func(*rapid.T) *eventlog.Request{g.plain, g.plain, g.plain, g.plain, g.plain, g.cut}
	}
	return g.timed(t, jumpy, rapid.SampledFrom(kinds).Draw(t, "kind")(t))
}

// cut draws a cut of all spaces, after which old steps of the clock are of no use.
func (g *generator) cut(t *rapid.T) *eventlog.Request {
	r := &eventlog.Request{Edit: &eventlog.Edit{}}
	if len(g.stored) == 0 {
		return r
	}
	id := rapid.SampledFrom(g.stored[max(0, len(g.stored)-10):]).Draw(t, "cut").ID
	for _, name := range plainSpaces {
		r.Edit.Trim = append(r.Edit.Trim, eventlog.Trim{Space: name, ID: id})
	}
	return r
}

// timed gives a request its time. Time goes on, stands still or goes back, as it may when another orders the entries. The
// wall clock is stepped.
func (g *generator) timed(t *rapid.T, jumpy bool, r *eventlog.Request) eventlog.Entry {
	g.at = max(g.at, judgeBegins)
	by := int64(rapid.SampledFrom([]int64{0, 0, 1, 3, 1_000, 400_000, 1_000_000, 20_000_000, 119_999_999, 300_000_000, -1, -5_000_000}).Draw(t, "by"))
	if jumpy {
		by %= 1_000_000
		g.ahead += rapid.SampledFrom([]int64{0, -1_000_000, 2_000_000}).Draw(t, "stepped")
	}
	at := uint64(int64(g.at) + by)
	if r.Once != nil {
		at = max(at, g.due)
	}
	g.at, g.due = max(g.at, at), 0
	g.ahead += rapid.SampledFrom([]int64{0, 0, 0, 0, 0, 400_000, -600_000, 3_600_000_000, -3_600_000_000}).Draw(t, "step")
	return eventlog.Entry{Request: r, At: at, Wall: int64(at) + g.ahead}
}

func (g *generator) data() []byte {
	g.next++
	return fmt.Append(nil, g.next)
}

func (g *generator) event(t *rapid.T) eventlog.Event {
	e := event(rapid.SampledFrom(names).Draw(t, "name"), rapid.SampledFrom(collections).Draw(t, "collection"), rapid.SampledFrom(streams).Draw(t, "stream"))
	e.Space, e.Data = rapid.SampledFrom(plainSpaces[:3]).Draw(t, "space"), g.data()
	if e.Stream != "" && rapid.Bool().Draw(t, "unique") {
		e.Key, e.Meta = rapid.SampledFrom([]string{"1", "2", "3", string(e.Data)}).Draw(t, "key"), []byte("m")
		if len(g.stored) > 0 && rapid.IntRange(0, 2).Draw(t, "as another") == 0 { // which may be gone
			other := rapid.SampledFrom(g.stored).Draw(t, "other")
			if other.Key != "" {
				e.Space, e.Stream, e.Key = other.Space, other.Stream, other.Key
			}
		}
	}
	return e
}

// plain draws events, with conditions on streams and rows.
func (g *generator) plain(t *rapid.T) *eventlog.Request {
	r := &eventlog.Request{}
	for i := range rapid.IntRange(1, 4).Draw(t, "events") {
		e := g.event(t)
		r.Events = append(r.Events, e)
		if e.Stream != "" && rapid.Bool().Draw(t, "expects") {
			r.Expect = append(r.Expect, eventlog.Expectation{Index: i, Last: g.expected(t, &e)})
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "with rows") == 0 {
		rows := g.rows(t)
		r.Rows, r.If = rows.Rows, rows.If
	}
	return r
}

// expected is mostly the last id of a stream.
func (g *generator) expected(t *rapid.T, e *eventlog.Event) uint64 {
	switch n := rapid.IntRange(0, 5).Draw(t, "last"); {
	case n == 0:
		return 0
	case n == 1 && len(g.stored) > 0:
		return rapid.SampledFrom(g.stored).Draw(t, "stale").ID
	}
	head, err := g.of.first.engine.Head(e.Space, e.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// once draws a request that takes effect once.
func (g *generator) once(t *rapid.T) *eventlog.Request {
	r := rapid.SampledFrom([]func(*rapid.T) *eventlog.Request{g.plain, g.push}).Draw(t, "what")(t)
	key := byte(rapid.IntRange(1, 6).Draw(t, "key"))
	if n := len(g.answered); n > 0 && rapid.IntRange(0, 2).Draw(t, "repeats") > 0 {
		old := g.answered[rapid.IntRange(max(0, n-4), n-1).Draw(t, "of")]
		key, g.due = old.key, old.first+120_000_000+uint64(rapid.IntRange(0, 2).Draw(t, "beyond"))-1
	}
	r.Once = &eventlog.Once{
		Key: [16]byte{key}, Owner: [8]byte{key % 2}, Body: [32]byte{byte(rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "body"))},
		MostInAll: 4, MostPerOwner: 2,
	}
	return r
}

// push draws keyed events.
func (g *generator) push(t *rapid.T) *eventlog.Request {
	r := &eventlog.Request{}
	for range rapid.IntRange(1, 6).Draw(t, "pushes") {
		e := eventlog.Event{
			Space: rapid.SampledFrom(rooms).Draw(t, "room"), Name: "push", Op: eventlog.Op(rapid.IntRange(1, 4).Draw(t, "op")),
			Key: rapid.SampledFrom([]string{"", "k", "k\x00", "l"}).Draw(t, "entry"), Data: g.data(), Meta: []byte("m"),
		}
		if e.Op == eventlog.Compact {
			s, _, err := g.of.first.log.KeyedSpace(e.Space)
			if err != nil {
				t.Fatal(err)
			}
			e.Seq = rapid.Uint64Range(0, s.Seq+1).Draw(t, "upto")
			if rapid.Bool().Draw(t, "to nothing") {
				e.Data, e.Meta = nil, nil
			}
		}
		r.Events = append(r.Events, e)
	}
	if rapid.Bool().Draw(t, "bounded") {
		r.Bound = &eventlog.Bound{Keys: rapid.SampledFrom([]int{0, 1, 1, 2}).Draw(t, "keys"), Bytes: rapid.SampledFrom([]int64{0, 100, 200, 300}).Draw(t, "bytes")}
	}
	return r
}

// rows draws rows, with conditions that mostly hold.
func (g *generator) rows(t *rapid.T) *eventlog.Request {
	r := &eventlog.Request{}
	for range rapid.IntRange(0, 2).Draw(t, "conditions") {
		key := rapid.SampledFrom(rowKeys).Draw(t, "if")
		value, err := g.of.first.log.Row(key)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.IntRange(0, 3).Draw(t, "wrong") == 0 {
			value = []byte("x")
		}
		r.If = append(r.If, eventlog.RowIs(key, value))
	}
	for range rapid.IntRange(0, 3).Draw(t, "rows") {
		row := eventlog.Row{Key: rapid.SampledFrom(rowKeys).Draw(t, "row")}
		if rapid.IntRange(0, 2).Draw(t, "deleted") > 0 {
			row.Value = fmt.Append(nil, rapid.IntRange(0, 2).Draw(t, "value"))
		}
		r.Rows = append(r.Rows, row)
	}
	return r
}

// other draws what is rare.
func (g *generator) other(t *rapid.T) *eventlog.Request {
	switch rapid.IntRange(0, 2).Draw(t, "other") {
	case 0:
		return &eventlog.Request{Run: true}
	case 1:
		r := &eventlog.Request{}
		if rapid.Bool().Draw(t, "and pushed") {
			r = g.push(t)
		}
		r.Make = rapid.SampledFrom(rooms).Draw(t, "made")
		return r
	}
	return &eventlog.Request{}
}

// edit draws an edit.
func (g *generator) edit(t *rapid.T) *eventlog.Request {
	edit := &eventlog.Edit{}
	r := &eventlog.Request{Edit: edit}
	switch rapid.SampledFrom([]string{"remove", "remove", "replace", "replace", "drop", "drop room", "rename", "drop rows", "trim", "trim", "trim"}).Draw(t, "edit") {
	case "remove":
		edit.Remove = g.some(t)
		edit.Freed = int64(len(edit.Remove))
	case "replace":
		for _, e := range g.some(t) {
			to := e
			to.Stream, to.Meta, to.Data = rapid.SampledFrom([]string{"s", "t", "u"}).Draw(t, "to"), []byte("moved"), g.data()
			if to.Key != "" {
				to.Stream = string(to.Data) // where no other event has the key
			}
			edit.Replace = append(edit.Replace, eventlog.Replacement{Old: e, New: to})
		}
	case "drop":
		edit.Drop = []string{rapid.SampledFrom(plainSpaces[1:]).Draw(t, "dropped")}
	case "drop room":
		g.dropRoom(t, r)
	case "rename":
		names := rapid.SliceOfNDistinct(rapid.SampledFrom(plainSpaces[1:]), 2, 2, rapid.ID).Draw(t, "names")
		edit.Rename = [2]string{names[0], names[1]}
		if rapid.Bool().Draw(t, "dropped before") {
			edit.Drop = names[1:]
		}
	case "drop rows":
		edit.DropRows = []string{rapid.SampledFrom([]string{"r/", "r/2"}).Draw(t, "prefix")}
	case "trim":
		if len(g.trims) > 0 && rapid.Bool().Draw(t, "by a node") {
			edit.Trim = []eventlog.Trim{rapid.SampledFrom(g.trims).Draw(t, "cut")}
		} else if len(g.stored) > 0 {
			e := rapid.SampledFrom(g.stored).Draw(t, "upto")
			edit.Trim = []eventlog.Trim{{Space: e.Space, ID: e.ID}, {Space: rooms[0], ID: e.ID}} // the second cuts nothing
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "with rows") == 0 {
		rows := g.rows(t)
		r.Rows, r.If = append(r.Rows, rows.Rows...), append(r.If, rows.If...)
	}
	if rapid.IntRange(0, 3).Draw(t, "with an event") == 0 {
		e := g.event(t)
		e.Space = "" // which is never dropped
		r.Events = append(r.Events, e)
	}
	return r
}

func (g *generator) dropRoom(t *rapid.T, r *eventlog.Request) {
	space := rapid.SampledFrom(rooms).Draw(t, "dropped")
	key := "keyed/" + space
	value, err := g.of.first.log.Row(key)
	if err != nil {
		t.Fatal(err)
	}
	r.Edit.Drop = []string{space}
	r.If = []eventlog.Condition{eventlog.RowIs(key, value)}
	r.Rows = []eventlog.Row{{Key: key}}
}

// some draws events of one space: as they are, or as they were at some time and may be no more.
func (g *generator) some(t *rapid.T) (some []eventlog.Event) {
	space := rapid.SampledFrom(plainSpaces[1:]).Draw(t, "of space") // only events of databases are edited; Verify counts on that
	from := g.stored
	if !rapid.Bool().Draw(t, "stale") {
		from = nil
		err := g.of.first.engine.Events(context.Background(), space, func(e *eventlog.Event) error { from = append(from, *e); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range from {
		if e.Space == space && rapid.IntRange(0, 2).Draw(t, "picked") == 0 && !slices.ContainsFunc(some, func(o eventlog.Event) bool { return o.ID == e.ID }) {
			some = append(some, e)
		}
	}
	return some
}

// derivedFrom is the prefix of the rows that derive derives from.
const derivedFrom = "r/"

// derive makes rows of an index and a count.
func derive(read func(key string) ([]byte, error), changes []eventlog.Derived) ([]eventlog.Row, error) {
	count, err := read("count")
	if err != nil {
		return nil, err
	}
	var rows []eventlog.Row
	n := binary.BigEndian.Uint64(append(make([]byte, 8-len(count)), count...))
	for _, c := range changes {
		key := strings.TrimPrefix(c.Key, derivedFrom)
		if c.Was != nil {
			rows = append(rows, eventlog.Row{Key: "index/" + string(c.Was) + "/" + key})
			n--
		}
		if c.Is != nil {
			rows = append(rows, eventlog.Row{Key: "index/" + string(c.Is) + "/" + key, Value: []byte{}})
			n++
		}
	}
	return append(rows, eventlog.Row{Key: "count", Value: binary.BigEndian.AppendUint64(nil, n)}), nil
}
