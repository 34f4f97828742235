package logtest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

// Judge compares engines that apply one random list of entries, each in its own way: in other groups, with failures,
// restarts and another clock. All must come to the same outcome for each entry, and to the same state. A first engine of
// the last kind applies the entries one by one, which tells what the outcomes are.
func Judge(t *testing.T, openers ...Opener) {
	rapid.Check(t, func(t *rapid.T) {
		j := &judge{first: newNode(t, "first", openers[len(openers)-1].Fresh(), eventlog.Retention{}, 0)}
		j.made.of = j
		nodes := []*node{j.first}
		defer func() {
			for _, n := range nodes {
				n.close(t)
			}
		}()
		for i, o := range openers {
			known := int64(0)
			if i == 0 {
				known = 1 // it forgets every keyed space at once
			}
			nodes = append(nodes, newNode(t, string(rune('A'+i)), o.Fresh(), retentions(t), known))
		}
		jumpy := rapid.IntRange(0, 4).Draw(t, "jumpy") == 4 // the wall clock is stepped more often than a log notes
		most := 20
		if jumpy {
			most = 60
		}
		for range rapid.IntRange(1, 4).Draw(t, "phases") {
			for range rapid.IntRange(1, most).Draw(t, "entries") {
				j.apply(t, j.made.entry(t, jumpy))
			}
			j.made.trims = nil
			j.apply(t, j.made.timed(t, jumpy, &eventlog.Request{Rows: []eventlog.Row{{Key: "end", Value: []byte{byte(len(j.entries))}}}}))
			for _, n := range nodes[1:] {
				n.catchUp(t, j)
				j.compare(t, n)
				j.made.trims = append(j.made.trims, n.trims(t)...)
			}
		}
	})
}

type judge struct {
	first    *node
	entries  []eventlog.Entry
	outcomes []outcome
	made     generator
}

// apply appends an entry to the list, and applies it to the first node.
func (j *judge) apply(t *rapid.T, e eventlog.Entry) {
	e.Place = uint64(len(j.entries) + 1)
	j.entries = append(j.entries, e)
	given := clones(j.entries[len(j.entries)-1:])
	o := j.first.feed(t, given)[0]
	j.outcomes = append(j.outcomes, o)
	j.made.learn(&given[0], o)
}

// compare compares a node's state with that of the first.
func (j *judge) compare(t *rapid.T, n *node) {
	n.engine.fail(-1, 0)
	want, got := j.first.digest(t), n.digest(t)
	if want != got {
		got, want := n.describe(t), j.first.describe(t)
		t.Fatalf("after the entries\n%s\n%s alone has\n%s\nthe first alone has\n%s", j.list(), n.name, without(got, want), without(want, got))
	}
	if want, got := j.lookups(t, j.first), j.lookups(t, n); !slices.Equal(got, want) {
		t.Fatalf("after the entries\n%s\n%s finds %d, the first finds %d", j.list(), n.name, got, want)
	}
	if n.early != "" {
		t.Fatalf("%s got something wrong, or before it was stored: %s", n.name, n.early)
	}
	if !slices.Equal(n.tail, j.first.tail) {
		t.Fatalf("after %d entries, the tail of %s got %d, that of the first %d", len(j.entries), n.name, n.tail, j.first.tail)
	}
	rows := map[string]string{}
	if err := n.log.Rows("", func(r eventlog.Row) error { rows[r.Key] = string(r.Value); return nil }); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(rows, n.followed) {
		t.Fatalf("after %d entries, %s has the rows %q, its follower has %q", len(j.entries), n.name, rows, n.followed)
	}
}

// lookups are the heads and keys of all streams that there were, which an engine finds by its indexes.
func (j *judge) lookups(t *rapid.T, n *node) (ids []uint64) {
	for i := range j.made.stored {
		e := &j.made.stored[i]
		for _, stream := range []string{e.Stream, "t", "u"} {
			head, err := n.engine.Head(e.Space, stream)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, head)
		}
		id, err := n.engine.Find(e.Space, e.Stream, e.Key)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// without is the lines of a text that another does not have.
func without(text, other string) string {
	has := strings.Split(other, "\n")
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return slices.Contains(has, line) })
	return strings.Join(lines, "\n")
}

// list is the entries as text.
func (j *judge) list() string {
	var texts []string
	for i := range j.entries {
		texts = append(texts, describe(&j.entries[i])+" -> "+j.outcomes[i].err)
	}
	return strings.Join(texts, "\n")
}

func (n *node) digest(t *rapid.T) [32]byte {
	sum, err := eventlog.Digest(context.Background(), n.engine, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func retentions(t *rapid.T) eventlog.Retention {
	return eventlog.Retention{
		Age:   rapid.SampledFrom([]int64{0, 1_000_000, 60_000_000, 600_000_000}).Draw(t, "age"),
		Bytes: rapid.SampledFrom([]int64{0, 100, 3_000, 100_000}).Draw(t, "bytes"),
	}
}
