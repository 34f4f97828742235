package logtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sluice/store/eventlog"
)

// keyedModel is keyed spaces as lists.
type keyedModel struct {
	log   *eventlog.Log
	rooms map[string]*keyedRoom
	next  int
}

type keyedRoom struct {
	seq  uint64
	keys map[string][]eventlog.Event
}

func (r *keyedRoom) clone() *keyedRoom {
	c := &keyedRoom{seq: r.seq, keys: map[string][]eventlog.Event{}}
	for k, v := range r.keys {
		c.keys[k] = slices.Clone(v)
	}
	return c
}

func (r *keyedRoom) apply(e eventlog.Event) error {
	if e.Op != eventlog.Compact {
		r.seq++
		e.Seq = r.seq
	} else if e.Seq > r.seq {
		return eventlog.ErrSeq
	}
	kept := r.keys[e.Key]
	switch e.Op {
	case eventlog.Append:
		kept = append(kept, e)
	case eventlog.Replace:
		kept = []eventlog.Event{e}
	case eventlog.Compact:
		kept = slices.DeleteFunc(kept, func(o eventlog.Event) bool { return o.Seq <= e.Seq })
		if len(e.Data) > 0 {
			kept = append([]eventlog.Event{e}, kept...)
		}
	default:
		return nil
	}
	if r.keys[e.Key] = kept; len(kept) == 0 {
		delete(r.keys, e.Key)
	}
	return nil
}

// testKeyed: after any creates, appends, replaces, relays, compacts, touches, drops and reopenings, each key has the entries
// of its list, numbers never go back, and only spaces that exist take something.
func testKeyed(t *testing.T, o Opener) {
	rapid.Check(t, func(rt *rapid.T) {
		opener := o.Fresh()
		log, _ := open(rt, opener, Config{})
		m := &keyedModel{log: log, rooms: map[string]*keyedRoom{}}
		room := rapid.SampledFrom([]string{"$room/a", "$room/b"})
		key := rapid.SampledFrom([]string{"", "k", "k\x00", "k\x00\x01", "ü"})
		rt.Repeat(map[string]func(*rapid.T){
			"push": func(rt *rapid.T) {
				r := &eventlog.Request{}
				name := room.Draw(rt, "room")
				was := m.rooms[name]
				var want error
				if was == nil {
					was, want = &keyedRoom{keys: map[string][]eventlog.Event{}}, eventlog.ErrNoSpace
				}
				is := was.clone()
				var sizes []int
				for range rapid.IntRange(1, 4).Draw(rt, "n") {
					m.next++
					e := eventlog.Event{
						Space: name, Name: "push", Op: eventlog.Op(rapid.IntRange(1, 4).Draw(rt, "op")), Key: key.Draw(rt, "key"),
						Data: fmt.Append(nil, m.next), Meta: []byte("m"),
					}
					if e.Op == eventlog.Compact {
						e.Seq = rapid.Uint64Range(0, is.seq+1).Draw(rt, "at")
						if rapid.Bool().Draw(rt, "to nothing") {
							e.Data, e.Meta = nil, nil
						}
					}
					r.Events = append(r.Events, e)
					if want == nil {
						want = is.apply(e)
					}
					sizes = append(sizes, len(is.keys[e.Key]))
				}
				if most := rapid.IntRange(0, 4).Draw(rt, "most keys"); most > 0 {
					r.Bound = &eventlog.Bound{Keys: most}
					if len(is.keys) > most && len(is.keys) > len(was.keys) {
						want = cmpErr(want, &eventlog.BoundError{What: "keys", Most: int64(most)})
					}
				}
				_, err := m.log.Append(context.Background(), r)
				if fmt.Sprint(err) != fmt.Sprint(want) {
					rt.Fatalf("got %v, want %v", err, want)
				}
				if err != nil {
					return
				}
				if !slices.Equal(r.Sizes, sizes) {
					rt.Fatalf("sizes %v, want %v", r.Sizes, sizes)
				}
				m.rooms[name] = is
			},
			"create": func(rt *rapid.T) {
				name := room.Draw(rt, "room")
				var want error
				if m.rooms[name] != nil {
					want = eventlog.ErrRow
				} else {
					m.rooms[name] = &keyedRoom{keys: map[string][]eventlog.Event{}}
				}
				if err := m.log.Create(context.Background(), name); !errors.Is(err, want) {
					rt.Fatalf("got %v, want %v", err, want)
				}
			},
			"touch": func(rt *rapid.T) {
				was, there, err := m.log.KeyedSpace(room.Draw(rt, "room"))
				if err != nil || !there {
					return
				}
				if err := m.log.Touch(context.Background(), was); err != nil {
					rt.Fatal(err)
				}
				if is, _, err := m.log.KeyedSpace(was.Space); err != nil || is.Seq != was.Seq || is.Last < was.Last {
					rt.Fatalf("%+v became %+v, %v", was, is, err)
				}
			},
			"drop": func(rt *rapid.T) {
				name := room.Draw(rt, "room")
				if rapid.Bool().Draw(rt, "stale") {
					s, _, err := m.log.KeyedSpace(name)
					if err != nil {
						rt.Fatal(err)
					}
					s.Space, s.Last = name, s.Last-1
					if err := m.log.Drop(context.Background(), s); !errors.Is(err, eventlog.ErrRow) {
						rt.Fatalf("a drop of what was pushed to since: %v", err)
					}
					return
				}
				if err := DropKeyed(m.log, name); err != nil {
					rt.Fatal(err)
				}
				delete(m.rooms, name)
			},
			"plain": func(rt *rapid.T) { put(rt, m.log, event("goal", "", "")) },
			"reopen": func(rt *rapid.T) {
				if !opener.Durable() {
					return // not durable
				}
				closeLog(rt, m.log)
				m.log, _ = open(rt, opener, Config{})
			},
			"": func(rt *rapid.T) { m.check(rt) },
		})
		closeLog(rt, m.log)
	})
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (m *keyedModel) check(rt *rapid.T) {
	var spaces []string
	err := m.log.KeyedSpaces(func(s eventlog.KeyedSpace) error {
		spaces = append(spaces, s.Space)
		if r := m.rooms[s.Space]; r == nil || r.seq != s.Seq || s.Last > max(m.log.Settled(), m.log.Clock().Now()) {
			rt.Fatalf("%+v", s)
		}
		return nil
	})
	if err != nil || !slices.Equal(spaces, slices.Sorted(maps.Keys(m.rooms))) {
		rt.Fatalf("spaces %q, %v", spaces, err)
	}
	for _, name := range []string{"$room/a", "$room/b", "$room/none"} {
		r := m.rooms[name]
		if r == nil {
			r = &keyedRoom{}
		}
		got := map[string][]string{}
		describe := func(e eventlog.Event) string {
			return fmt.Sprint(e.Seq, " ", string(e.Data), " ", string(e.Meta), " ", e.Name)
		}
		position, err := m.log.Keyed(context.Background(), name, nil, func(e eventlog.Event) error {
			got[e.Key] = append(got[e.Key], describe(e))
			return nil
		})
		if err != nil || position != m.log.Settled() {
			rt.Fatalf("read as of %d, settled is %d, %v", position, m.log.Settled(), err)
		}
		for key, want := range r.keys {
			var texts, alone []string
			for _, e := range want {
				texts = append(texts, describe(e))
			}
			if _, err := m.log.Keyed(context.Background(), name, &key, func(e eventlog.Event) error { alone = append(alone, describe(e)); return nil }); err != nil {
				rt.Fatal(err)
			}
			if !slices.Equal(got[key], texts) || !slices.Equal(alone, texts) {
				rt.Fatalf("%s %q: got %q, alone %q, want %q", name, key, got[key], alone, texts)
			}
			delete(got, key)
		}
		if len(got) > 0 {
			rt.Fatalf("%s has %v besides", name, got)
		}
	}
}

// testBound: a space takes no more bytes than allowed, but always accepts what makes it smaller.
func testBound(t *testing.T, o Opener) {
	log, _ := open(t, o, Config{})
	defer closeLog(t, log)
	MakeKeyed(t, log, "$room/a")
	push := func(op eventlog.Op, seq uint64, size int) error {
		_, err := log.Append(context.Background(), &eventlog.Request{
			Events: []eventlog.Event{{Space: "$room/a", Name: "push", Op: op, Key: "k", Seq: seq, Data: make([]byte, size)}}, Bound: &eventlog.Bound{Bytes: 1000},
		})
		return err
	}
	var over *eventlog.BoundError
	for range 4 {
		if err := push(eventlog.Append, 0, 150); err != nil {
			t.Fatal(err)
		}
	}
	if err := push(eventlog.Append, 0, 150); !errors.As(err, &over) || over.What != "bytes" {
		t.Errorf("got %v", err)
	}
	if err := push(eventlog.Relay, 0, 5000); err != nil {
		t.Errorf("what is not retained needs no room: %v", err)
	}
	if err := push(eventlog.Compact, 3, 100); err != nil {
		t.Error(err)
	}
	if err := push(eventlog.Append, 0, 150); err != nil {
		t.Error(err)
	}
}

// MakeKeyed makes keyed spaces.
func MakeKeyed(t TB, log *eventlog.Log, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := log.Create(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// DropKeyed drops those of some keyed spaces that exist, as they are now.
func DropKeyed(log *eventlog.Log, names ...string) error {
	var some []eventlog.KeyedSpace
	for _, name := range names {
		s, there, err := log.KeyedSpace(name)
		if err != nil {
			return err
		}
		if there {
			some = append(some, s)
		}
	}
	return log.Drop(context.Background(), some...)
}
