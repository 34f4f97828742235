package streams_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"sluice/channel"
	"sluice/store/eventlog"
	"sluice/store/streams"
)

func (m *model) check(t *rapid.T) {
	if got, want := m.catalog.Names(), slices.Sorted(maps.Keys(m.dbs)); !slices.Equal(got, want) {
		t.Fatalf("databases %v, want %v", got, want)
	}
	m.checkCharges(t)
	for name, d := range m.dbs {
		if got, err := m.catalog.Namespaces(context.Background(), name); err != nil || !slices.Equal(got, slices.Sorted(maps.Keys(d.namespaces))) {
			t.Fatalf("%s has namespaces %q, want %q (%v)", name, got, slices.Sorted(maps.Keys(d.namespaces)), err)
		}
		for _, who := range []string{"ann", "bob"} {
			if got := m.catalog.Role(name, who); got != d.grants[who] {
				t.Fatalf("%s is %s of %s, want %s", who, got, name, d.grants[who])
			}
		}
		m.checkEvents(t, name, d)
		m.checkStreams(t, name, d)
		for at, text := range d.annotations {
			if got, err := m.catalog.Annotation(name, at.namespace, at.stream); string(got) != text {
				t.Fatalf("annotation of %q: %s (%v), want %s", at, got, err, text)
			}
		}
	}
}

// checkCharges: accounts are charged for what a catalog that is opened now counts.
func (m *model) checkCharges(t *rapid.T) {
	anew, err := streams.Open(m.log, streams.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name := range m.dbs {
		if got, want := m.catalog.Held(name), anew.Held(name); got != want {
			t.Fatalf("%s is said to hold %d bytes, and holds %d", name, got, want)
		}
	}
	for _, who := range []string{"ann", "bob", ""} {
		databases, bytes, retired := m.catalog.Charged(who)
		databases2, bytes2, retired2 := anew.Charged(who)
		if databases != databases2 || bytes != bytes2 || retired != retired2 {
			t.Fatalf("%s is charged for %d, %d, %d, and after a restart for %d, %d, %d", who, databases, bytes, retired, databases2, bytes2, retired2)
		}
	}
}

func (m *model) checkEvents(t *rapid.T, name string, d *modelDB) {
	space := streams.Space(name)
	q := &eventlog.Query{Space: space, Channels: channel.NewSet(channel.Pattern{Space: space})}
	var got []seen
	for after := uint64(0); after < m.log.Settled(); {
		p, err := m.log.Read(context.Background(), q, after, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Events {
			var e seen
			if err := json.Unmarshal(streams.Text(m.log.Clock(), name, &p.Events[i]), &e); err != nil {
				t.Fatalf("%s: %v", streams.Text(m.log.Clock(), name, &p.Events[i]), err)
			}
			if e.Meta.DB != name || e.Meta.TS == "" {
				t.Fatalf("%+v", e)
			}
			e.Meta.DB, e.Meta.TS = "", ""
			got = append(got, e)
		}
		after = p.Reached
	}
	same := slices.EqualFunc(got, d.events, func(a, b seen) bool { return a.Meta == b.Meta && string(a.Data) == string(b.Data) })
	if !same {
		t.Fatalf("%s holds\n%+v, want\n%+v", name, got, d.events)
	}
	for _, e := range d.events {
		if _, err := m.catalog.Event(context.Background(), name, e.Meta.NS, e.Meta.Stream, e.Meta.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) checkStreams(t *rapid.T, name string, d *modelDB) {
	count := map[spot]int{}
	for _, e := range d.events {
		count[spot{e.Meta.NS, e.Meta.Stream}]++
	}
	for _, ns := range append([]string{"*", ""}, slices.Collect(maps.Keys(d.namespaces))...) {
		asked := &ns
		if ns == "*" {
			asked = nil
		}
		var got, want []string
		err := m.catalog.Streams(context.Background(), name, asked, func(s *streams.Stream) error {
			got = append(got, fmt.Sprint(s.Namespace, "|", s.ID, "|", s.Size, string(s.Annotation), string(s.Type)))
			return nil
		})
		for at, n := range count {
			if ns == "*" || ns == at.namespace {
				text := d.annotations[at]
				if text != "" {
					text += `"x"`
				}
				want = append(want, fmt.Sprint(at.namespace, "|", at.stream, "|", n, text))
			}
		}
		slices.SortFunc(got, cmp.Compare[string])
		slices.SortFunc(want, cmp.Compare[string])
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s, namespace %q: streams %q, want %q (%v)", name, ns, got, want, err)
		}
	}
}
